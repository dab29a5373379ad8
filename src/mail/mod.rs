//! Letters: a row first, in the transaction of what they tell about, then sent by a job outside of any transaction.
//!
//! Owns `mail` and the job `send_mail`. A letter's body is sealed, because it may hold a single-use link, and erased as soon as
//! nobody will send it any more. Whether the mail server took a letter is `sent`, `refused` or `unknown`; a letter whose
//! outcome is unknown is never sent a second time.

mod dispatch;
mod folder;
mod letter;
mod outbox;
mod post;
mod smtp;

pub use dispatch::handlers;
pub use letter::{Body, Letter};
pub use outbox::queue;
pub use post::Post;

#[cfg(test)]
mod tests;
