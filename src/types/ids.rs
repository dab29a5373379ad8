//! Identifiers: `UUIDv7` outside, each kind a type of its own, so that an area's id is never taken for a customer's.

use std::{fmt, str::FromStr};

use postgres_types::{FromSql, ToSql};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, ToSql, FromSql,
        )]
        #[postgres(transparent)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new identifier, in time order.
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    )*};
}

ids! {
    /// An internet provider that has its own schema.
    TenantId,
    /// A person who works for a tenant.
    StaffId,
    RoleId,
    /// A browser's stay in the portal.
    SessionId,
    ApiKeyId,
    AreaId,
    CustomerId,
    LcpId,
    SplitterId,
    NapId,
    RouterId,
    InstallationId,
    VisitId,
    PlanId,
    /// A period of service that was sold.
    SubscriptionId,
    PaymentId,
    RefundId,
    ReceiptId,
    ShiftId,
    LedgerEntryId,
    TicketId,
    CommentId,
    CannedReplyId,
    OutageId,
    /// A report that is made by itself.
    ReportScheduleId,
    /// What was made of it.
    ReportFileId,
    ContactId,
    /// A person who was erased on request.
    ErasureId,
    GroupId,
    ContactImportId,
    SuppressionId,
    ConflictId,
    /// A tenant's account at a provider.
    AccountId,
    /// A sender of the platform's own.
    SenderId,
    TemplateId,
    MessageId,
    /// Recipients out of a file.
    RecipientListId,
    CampaignId,
    DeliveryId,
    HookCallId,
    InboundId,
    EventId,
    NoticeId,
    ImportId,
    FileId,
    JobId,
    DomainId,
    AuditEventId,
    /// What a customer signs in with at /my.
    SubscriberLoginId,
    /// A subscriber's browser that is signed in.
    SubscriberSessionId,
    /// One HTTP request, as told to the caller in `X-Request-ID`.
    RequestId,
}

/// The smallest `UUIDv7` of an instant: ids are in the order of their time, so a bound on them reads only what it is about.
pub fn first_id_at(at: chrono::DateTime<chrono::Utc>) -> Uuid {
    let millis = u64::try_from(at.timestamp_millis()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid()
}
