//! Campaigns: a message to many that people prepare, start, watch and stop.
//!
//! Owns `campaign`. What a campaign sends is one message, which writes its recipients out batch by batch: a campaign adds a name, an
//! audience that may be settled beforehand, a time, and how it stands. Reads `message` (whether it is paused) and
//! `message_template` (names).

mod api;
mod model;
mod pages;
mod rules;
mod store;
mod view;

use std::sync::Arc;

use crate::{
    access::{NavItem, rights},
    error::Error,
    jobs::Runner,
    messaging::Messaging,
    types::CampaignId,
};

pub use api::CampaignsApi;
pub use pages::pages;

rights! { "Messages", PERMISSIONS:
    ViewCampaigns = "campaigns.view", "messages.read", "View campaigns", "See campaigns and how they stand.", for [Support, Viewer];
    RunCampaigns = "campaigns.run", "messages.write", "Run campaigns", "Prepare, start, pause and cancel campaigns.";
}

/// The navigation's entry.
pub const NAV: &[NavItem] = &[NavItem {
    group: "Messages",
    label: "Campaigns",
    href: "/campaigns",
    icon: "campaigns",
    permission: Some("campaigns.view"),
}];

/// Gives the runner the job that settles audiences, starts what is due, and sees what has come to its end.
pub fn handlers(runner: &mut Runner, messaging: &Messaging) {
    let messaging = messaging.clone();
    runner.on(
        rules::JOB,
        Arc::new(move |tenant, job| {
            let messaging = messaging.clone();
            Box::pin(async move {
                let id = CampaignId(job.subject);
                let step = messaging
                    .db
                    .in_tenant(&tenant, async |tx| rules::go_on(tx, &messaging, &tenant, id).await)
                    .await;
                messaging.bell.notify_one();
                match step {
                    // It cannot be started as it is: people have to mend it.
                    Err(error @ (Error::Invalid(_) | Error::Conflict { .. } | Error::NotFound { .. })) => {
                        let why = error.detail();
                        messaging
                            .db
                            .in_tenant(&tenant, async |tx| rules::fail(tx, &tenant, id, &why).await)
                            .await
                    }
                    other => other,
                }
            })
        }),
    );
}
