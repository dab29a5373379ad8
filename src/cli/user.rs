//! `lastmile user`.

use clap::Subcommand;
use serde_json::json;

use super::{ACTOR, Global, output, tenant_of};
use crate::{
    access::{By, Invitation, Member, NewStaff},
    app::{App, Parts},
    error::{Error, Result},
    tenancy::{self, Tenant},
    types::EmailAddress,
};

/// Providers that are looked through for an address.
const LOOK_AT_MOST: i64 = 100_000;

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add a person to a provider's staff and print a link by which they choose a password
    Create {
        email: String,
        /// The provider
        #[arg(long, value_name = "SLUG")]
        tenant: String,
        /// The person's name
        #[arg(long)]
        name: String,
        /// A role by its name; may be given again
        #[arg(long, value_name = "NAME", required = true)]
        role: Vec<String>,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a single-use link by which a person chooses a new password
    ResetLink {
        email: String,
        /// The provider; needed when the address works for several
        #[arg(long, value_name = "SLUG")]
        tenant: Option<String>,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Take the second step of signing in away from a person who has lost the app and the recovery codes
    RemoveMfa {
        email: String,
        /// The provider; needed when the address works for several
        #[arg(long, value_name = "SLUG")]
        tenant: Option<String>,
    },
}

pub async fn run(command: UserCommand, global: &Global) -> Result<()> {
    let parts = global.parts().await?;
    match command {
        UserCommand::Create { email, tenant, name, role, json } => {
            let tenant = tenant_of(&parts, &tenant).await?;
            create(parts, tenant, (&name, &email), &role, json).await
        }
        UserCommand::ResetLink { email, tenant, json } => {
            reset_link(parts, &email, tenant.as_deref(), json).await
        }
        UserCommand::RemoveMfa { email, tenant } => remove_mfa(parts, &email, tenant.as_deref()).await,
    }
}

async fn create(
    parts: Parts,
    tenant: Tenant,
    (name, email): (&str, &str),
    roles: &[String],
    json: bool,
) -> Result<()> {
    let app = App::build(parts).await?;
    let by = By::platform(tenant, ACTOR);
    let known = app.people.all_roles(&by).await?;
    let mut ids = Vec::with_capacity(roles.len());
    for wanted in roles {
        let found = known.iter().find(|role| role.name.eq_ignore_ascii_case(wanted)).ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(|role| role.name.as_str()).collect();
            Error::invalid(
                "role",
                "unknown_role",
                format!("There is no role {wanted}; there are {}.", names.join(", ")),
            )
        })?;
        ids.push(found.id.0);
    }
    let new = NewStaff::parse(name, email, &ids)?;
    let (member, link) = app.people.create_staff(&by, &new, Invitation::Shown).await?;
    let link = link.ok_or_else(|| Error::internal("an invitation without a link"))?;
    if json {
        return output::json(
            &json!({"id": member.id, "email": member.email, "link": link.url, "expires_at": link.expires_at}),
        );
    }
    output::line(&format!("{} chooses a password with (for {}): {}", member.email, link.valid_for, link.url))
}

/// The one person of this address, and the platform as the caller at their provider.
async fn person_of(parts: Parts, email: &str, tenant: Option<&str>) -> Result<(App, By, Member)> {
    let email = EmailAddress::parse(email).map_err(|wrong| Error::Invalid(vec![wrong.at("email")]))?;
    let places = match tenant {
        Some(slug) => vec![tenant_of(&parts, slug).await?],
        None => tenancy::list(&parts.db, false, LOOK_AT_MOST).await?,
    };
    let app = App::build(parts).await?;
    let mut found = Vec::new();
    for place in places {
        let by = By::platform(place, ACTOR);
        if let Some(member) = app.people.find_staff_by_email(&by, &email).await? {
            found.push((by, member));
        }
    }
    match (found.len(), found.pop()) {
        (1, Some((by, member))) => Ok((app, by, member)),
        (_, None) => Err(Error::conflict("no_such_person", format!("Nobody has the address {email}."))),
        (_, Some(last)) => {
            found.push(last);
            let slugs: Vec<&str> = found.iter().map(|(by, _)| by.tenant.slug.as_str()).collect();
            let detail = format!("{email} works for {}: name one with --tenant.", slugs.join(", "));
            Err(Error::conflict("several_providers", detail))
        }
    }
}

async fn remove_mfa(parts: Parts, email: &str, tenant: Option<&str>) -> Result<()> {
    let (app, by, member) = person_of(parts, email, tenant).await?;
    app.people.remove_mfa(&by, member.id).await?;
    output::line(&format!("{} signs in with the password alone now.", member.email))
}

async fn reset_link(parts: Parts, email: &str, tenant: Option<&str>, json: bool) -> Result<()> {
    let (app, by, member) = person_of(parts, email, tenant).await?;
    let (member, link) = app.people.issue_reset_link(&by, member.id, false).await?;
    if json {
        return output::json(
            &json!({"id": member.id, "email": member.email, "link": link.url, "expires_at": link.expires_at}),
        );
    }
    output::line(&format!(
        "{} chooses a new password with (for {}): {}",
        member.email, link.valid_for, link.url
    ))
}

/// 100 random bits, in groups that can be read out.
pub fn random_password() -> String {
    let text = data_encoding::BASE32_NOPAD.encode(&rand::random::<[u8; 15]>()).to_ascii_lowercase();
    let groups: Vec<String> =
        text.chars().collect::<Vec<_>>().chunks(5).take(4).map(|group| group.iter().collect()).collect();
    groups.join("-")
}
