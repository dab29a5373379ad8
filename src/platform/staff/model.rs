//! What people of the platform are: roles, and who stands above whom.

use crate::words::say;
use uuid::Uuid;

/// What somebody of the platform may do. Each holds what the ones before it hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Sees everything of the console, and changes nothing.
    ReadOnly,
    /// Suspends and resumes, decides on sign-ups, helps where a provider lets them in.
    SupportAdmin,
    /// Everything: people, closing, settings.
    SuperAdmin,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::SuperAdmin, Self::SupportAdmin, Self::ReadOnly];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::SupportAdmin => "support_admin",
            Self::SuperAdmin => "super_admin",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::ReadOnly => say("Read-only"),
            Self::SupportAdmin => say("Support admin"),
            Self::SuperAdmin => say("Super admin"),
        }
    }

    pub fn description(self) -> &'static str {
        match self {
            Self::ReadOnly => say("Sees everything here, and changes nothing."),
            Self::SupportAdmin => {
                say("Decides on sign-ups, suspends and resumes, helps where a provider lets them in.")
            }
            Self::SuperAdmin => say("Everything, also people, closing and settings."),
        }
    }

    /// As it is stored, and as the command line takes it (with a dash or an underscore).
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_lowercase().replace('-', "_");
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// Somebody of the platform.
#[derive(Debug, Clone)]
pub struct Person {
    pub id: Uuid,
    pub name: String,
    pub email: String,
    pub role: Role,
    pub is_active: bool,
    /// They have chosen a password.
    pub has_password: bool,
    /// They have set the second step up.
    pub has_second_step: bool,
    pub last_signed_in_at: Option<chrono::DateTime<chrono::Utc>>,
    pub created_at: chrono::DateTime<chrono::Utc>,
    /// They are written to about alerts: as they said, else as their role has it.
    pub alert_letters: bool,
}

impl Person {
    /// Whether they can come in as they are.
    pub fn can_enter(&self) -> bool {
        self.is_active && self.has_password && self.has_second_step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_stand_above_each_other() {
        assert!(Role::SuperAdmin > Role::SupportAdmin && Role::SupportAdmin > Role::ReadOnly);
    }

    #[test]
    fn a_role_is_read_as_it_is_written() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
            assert_eq!(Role::parse(&role.as_str().replace('_', "-").to_uppercase()), Some(role));
        }
        assert_eq!(Role::parse("owner"), None);
    }
}
