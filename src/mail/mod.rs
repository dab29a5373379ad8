//! Letters: a row first, in the transaction of what they tell about, then sent by a job outside of any transaction.
//!
//! Owns `mail` and the job `send_mail`. A letter's body is sealed, because it may hold a single-use link, and erased as soon as
//! nobody will send it any more. Whether the mail server took a letter is `sent`, `refused` or `unknown`; a letter whose
//! outcome is unknown is never sent a second time.
//!
//! The way to a mail server is shared: messaging uses it for the tenants' own servers.

mod dispatch;
mod folder;
mod letter;
mod outbox;
mod platform;
mod post;
mod smtp;

pub use dispatch::handlers;
pub use letter::{Body, Envelope, Letter, address_of, one_line};
pub use outbox::{count_before, forget_before, queue};
pub use platform::PlatformPost;
pub use post::Post;
pub use smtp::{Encryption, Handed, Said, Server, Smtp, Step};

#[cfg(test)]
mod tests;
