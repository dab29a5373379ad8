//! Parsed values: a thing of one of these types has been checked once and need not be checked again.
//!
//! Each type has `parse`, which answers with a [`Wrong`] (code and sentence) that a form or an API body attaches to its field.

mod address;
pub mod amount;
mod coordinates;
mod countries;
mod cursor;
mod ids;
mod money;
mod schema_name;
pub mod search;
mod slug;
mod text;
mod zone;

pub use address::{EmailAddress, Phone};
pub use coordinates::{BoundingBox, Coordinates, degrees};
pub use countries::COUNTRIES;
pub use cursor::{Cursor, Limit};
pub use ids::{
    AccountId, ApiKeyId, AreaId, AuditEventId, CampaignId, CannedReplyId, CommentId, ConflictId, ContactId,
    ContactImportId, CustomerId, DeliveryId, DomainId, ErasureId, EventId, FileId, GroupId, HookCallId,
    ImportId, InboundId, InstallationId, JobId, LcpId, LedgerEntryId, MessageId, NapId, NoticeId, OutageId,
    PaymentId, PlanId, ReceiptId, RecipientListId, RefundId, ReportFileId, ReportScheduleId, RequestId,
    RoleId, RouterId, SenderId, SessionId, ShiftId, SplitterId, StaffId, SubscriberLoginId,
    SubscriberSessionId, SubscriptionId, SuppressionId, TemplateId, TenantId, TicketId, VisitId, first_id_at,
};
pub use money::{CURRENCIES, Currency};
pub use schema_name::SchemaName;
pub use slug::Slug;
pub use text::{line, optional_line, optional_text};
pub use zone::{Country, TimeZone, time_zones};

use crate::error::FieldError;

/// What is wrong with one value, before it is known which field it stood in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    pub code: &'static str,
    pub detail: String,
}

impl Wrong {
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// Names the field that the value stood in.
    pub fn at(self, field: &'static str) -> FieldError {
        FieldError { field: field.into(), code: self.code, detail: self.detail }
    }
}

/// Collects every wrong field of one input, so that the answer names all of them at once.
#[derive(Debug, Default)]
pub struct Check {
    wrong: Vec<FieldError>,
}

impl Check {
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps the value, or remembers what is wrong with it.
    pub fn field<T>(&mut self, field: &'static str, parsed: Result<T, Wrong>) -> Option<T> {
        parsed.map_err(|wrong| self.wrong.push(wrong.at(field))).ok()
    }

    /// Keeps a value of many entries, or remembers what is wrong with each of them.
    pub fn fields<T>(&mut self, parsed: Result<T, Vec<FieldError>>) -> Option<T> {
        parsed.map_err(|wrong| self.wrong.extend(wrong)).ok()
    }

    pub fn wrong(&mut self, field: &'static str, code: &'static str, detail: impl Into<String>) {
        self.wrong.push(FieldError::new(field, code, detail));
    }

    /// `Some` of all values becomes the result, unless anything was wrong.
    pub fn finish<T>(self, whole: Option<T>) -> crate::error::Result<T> {
        match whole {
            Some(whole) if self.wrong.is_empty() => Ok(whole),
            _ => Err(crate::error::Error::Invalid(self.wrong)),
        }
    }
}

#[cfg(test)]
mod tests;
