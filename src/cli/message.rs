//! `lastmile message`: for scripts of the people who run the deployment.

use std::path::PathBuf;

use clap::Subcommand;
use uuid::Uuid;

use super::{ACTOR, Global, output, tenant_of};
use crate::{
    access::By,
    app::App,
    error::{Error, Result},
    messaging::{
        Channel,
        messages::{self, Ask, Given, Lane, Said, To, attachments},
        templates::{Text, Words},
    },
    types::{GroupId, MessageId, TemplateId},
};

#[derive(Debug, Subcommand)]
pub enum MessageCommand {
    /// Send a message by a provider's own accounts
    Send(SendArgs),
    /// How many recipients of a message are where
    Status {
        tenant: String,
        message: Uuid,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
pub struct SendArgs {
    tenant: String,
    /// In the order in which they are tried: sms, email, whatsapp, telegram, instagram, push, `in_app`
    #[arg(long, value_delimiter = ',', default_value = "sms")]
    channel: Vec<String>,
    /// An address; may be given often
    #[arg(long)]
    to: Vec<String>,
    /// A group's id; may be given often
    #[arg(long)]
    group: Vec<Uuid>,
    /// What it says
    #[arg(long, conflicts_with = "template")]
    text: Option<String>,
    /// Of a letter
    #[arg(long, requires = "text")]
    subject: Option<String>,
    /// An approved template's id
    #[arg(long)]
    template: Option<Uuid>,
    /// transactional, conversation or bulk
    #[arg(long, default_value = "transactional")]
    priority: String,
    /// A file that goes along; may be given often
    #[arg(long, value_name = "FILE")]
    attach: Vec<PathBuf>,
    /// Do everything but the sending
    #[arg(long)]
    dry_run: bool,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

impl SendArgs {
    fn ask(&self) -> Result<Ask> {
        let channels: std::result::Result<Vec<Channel>, _> =
            self.channel.iter().map(|text| text.parse::<Channel>()).collect();
        let channels = channels.map_err(|odd| Error::Invalid(vec![odd.at("channel")]))?;
        let said = match (&self.text, self.template) {
            (Some(text), _) => {
                let text = Text { subject: self.subject.clone(), text: text.clone(), ..Text::default() };
                Said::Words(Words::inline(&channels, "en", &text))
            }
            (None, Some(template)) => Said::Template(TemplateId(template), None),
            (None, None) => Said::Usual,
        };
        let given = |address: &String| Given {
            channel: None,
            address: address.clone(),
            name: String::new(),
            language: None,
            context: serde_json::Map::new(),
        };
        Ok(Ask {
            channels,
            said,
            context: serde_json::Map::new(),
            to: To {
                addresses: self.to.iter().map(given).collect(),
                groups: self.group.iter().copied().map(GroupId).collect(),
                ..To::default()
            },
            lane: Lane::parse(&self.priority).map_err(|odd| Error::Invalid(vec![odd.at("priority")]))?,
            scheduled_at: None,
            recurrence: None,
            expires_at: None,
            is_dry_run: self.dry_run,
            per_minute: None,
            attachments: Vec::new(),
        })
    }

    /// The files that go along, with their names.
    fn files(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let read = |file: &PathBuf| {
            let content = std::fs::read(file).map_err(|error| {
                Error::invalid("attach", "unreadable_file", format!("{}: {error}.", file.display()))
            })?;
            Ok((file.file_name().unwrap_or_default().to_string_lossy().into_owned(), content))
        };
        self.attach.iter().map(read).collect()
    }
}

pub async fn run(command: MessageCommand, global: &Global) -> Result<()> {
    let app = App::build(global.parts().await?).await?;
    match command {
        MessageCommand::Send(args) => {
            let tenant = tenant_of(&app.parts, &args.tenant).await?;
            let ask = args.ask()?;
            let files = args.files()?;
            let by = By::platform(tenant.clone(), ACTOR);
            let sent = app
                .parts
                .db
                .in_tenant(&tenant, async |tx| {
                    let mut attached = Vec::with_capacity(files.len());
                    for (name, content) in &files {
                        attached.push(attachments::upload(tx, &by, name, content).await?.file());
                    }
                    let ask = Ask { attachments: attached, ..ask.clone() };
                    messages::send(tx, &app.messaging, &by, &ask).await
                })
                .await?;
            if args.json {
                return output::json(&serde_json::json!({"id": sent.id, "recipients": sent.recipients}));
            }
            output::line(&format!("{} goes to {} recipients", sent.id, sent.recipients))
        }
        MessageCommand::Status { tenant, message, json } => {
            let tenant = tenant_of(&app.parts, &tenant).await?;
            let id = MessageId(message);
            let found = app
                .parts
                .db
                .read_tenant(&tenant, async |tx| messages::find_all(tx, &[id]).await)
                .await?
                .pop();
            let (message, counts, _) = found.ok_or(Error::not_found("message"))?;
            let status = message.status.clone();
            if json {
                return output::json(&serde_json::json!({
                    "id": id, "status": status, "recipients": message.recipients, "counts": counts,
                }));
            }
            let (queued, taken, lost) = (counts.queued, counts.taken(), counts.lost());
            output::line(&format!("{status}: {queued} queued, {taken} sent, {lost} failed or unknown"))
        }
    }
}
