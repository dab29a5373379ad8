//! `lastmile platform`.

use chrono::Utc;
use clap::Subcommand;
use serde_json::json;

use super::{Global, archives, operator, output};
use crate::{
    app::{App, Parts},
    audit,
    error::{Error, Result},
    platform::staff::{Person, rules},
};

#[derive(Debug, Subcommand)]
pub enum PlatformCommand {
    /// Print a single-use link by which somebody joins the console, or comes back with a new password
    Invite {
        #[arg(long)]
        email: String,
        /// super-admin, support-admin or read-only; needed for somebody new
        #[arg(long)]
        role: Option<String>,
        /// Their name; needed for somebody new
        #[arg(long)]
        name: Option<String>,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// List the people of the console
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Take the second step away from somebody who has lost the app and the recovery codes; they set up another
    ResetSecondStep { email: String },
    /// Do now what is done every minute: invoice statements, remind of unpaid ones, suspend and resume by them
    Invoices,
    /// Hold the platform's own log against its seals and anchors; exit code 1 when anything does not fit
    VerifyLog {
        /// Print the findings as JSON
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(command: PlatformCommand, global: &Global) -> Result<()> {
    let parts = global.parts().await?;
    match command {
        PlatformCommand::Invoices => {
            App::build(parts).await?.invoicing.round(Utc::now().date_naive()).await?;
            output::line("done")
        }
        PlatformCommand::Invite { email, role, name, json } => {
            invite(&parts, &email, role.as_deref(), name.as_deref(), json).await
        }
        PlatformCommand::List { json } => list(&parts, json).await,
        PlatformCommand::ResetSecondStep { email } => {
            let person = person_of(&parts, &email).await?;
            rules::reset_second_step(&parts.db, &operator(), None, person.id).await?;
            output::line(&format!("{} sets up another second step at the next sign-in", person.email))
        }
        PlatformCommand::VerifyLog { json } => verify(&parts, json).await,
    }
}

async fn person_of(parts: &Parts, email: &str) -> Result<Person> {
    rules::find_by_email(&parts.db, email).await?.ok_or_else(|| {
        Error::conflict("no_such_person", format!("Nobody at the console has the address {email}."))
    })
}

async fn invite(
    parts: &Parts,
    email: &str,
    role: Option<&str>,
    name: Option<&str>,
    json: bool,
) -> Result<()> {
    let known = rules::find_by_email(&parts.db, email).await?;
    let invited = match (known, role) {
        (Some(person), None) => rules::renew_link(&parts.db, &operator(), person.id).await?,
        (Some(_), Some(_)) => {
            return Err(Error::conflict(
                "email_taken",
                "There is a person of this address already: leave --role out to print another link.",
            ));
        }
        (None, role) => {
            let name = name.unwrap_or(email.split('@').next().unwrap_or_default());
            rules::invite(&parts.db, &operator(), name, email, role.unwrap_or_default()).await?
        }
    };
    let base = parts.settings.url_of(&parts.settings.base_domain);
    let link = format!("{base}/console/join?code={}", invited.code);
    if json {
        let (id, role) = (invited.person.id, invited.person.role.as_str());
        return output::json(&json!({"id": id, "email": invited.person.email, "role": role, "link": link}));
    }
    let (email, hours) = (&invited.person.email, rules::LINK_HOURS);
    output::line(&format!("{email} joins the console once, within {hours} hours, with {link}"))
}

async fn list(parts: &Parts, json: bool) -> Result<()> {
    let people = rules::list(&parts.db).await?;
    if json {
        let rows: Vec<_> = people
            .iter()
            .map(|person| {
                json!({
                    "id": person.id, "name": person.name, "email": person.email, "role": person.role.as_str(),
                    "is_active": person.is_active, "has_second_step": person.has_second_step,
                    "last_signed_in_at": person.last_signed_in_at,
                })
            })
            .collect();
        return output::json(&rows);
    }
    let rows: Vec<Vec<String>> = people
        .into_iter()
        .map(|person| {
            let state = match (person.is_active, person.can_enter()) {
                (false, _) => "disabled",
                (true, true) => "active",
                (true, false) => "invited",
            };
            vec![person.email, person.role.as_str().to_owned(), state.to_owned(), person.name]
        })
        .collect();
    output::table(&rows)
}

async fn verify(parts: &Parts, json: bool) -> Result<()> {
    let key = archives::anchor_key(parts).await?;
    let report = audit::verify_platform(&parts.db, &key).await?;
    if json {
        output::json(&report)?;
    } else {
        for finding in &report.findings {
            output::json(finding)?;
        }
        let (sealed, unsealed) = (report.sealed, report.unsealed);
        output::line(&format!("{sealed} events sealed, {unsealed} wait for their seal"))?;
    }
    if report.is_whole() {
        Ok(())
    } else {
        Err(Error::conflict("audit_tampered", "The platform's log is not as it was sealed."))
    }
}
