//! Calls, inbound messages and receipts without a message, as programs see them.

use chrono::{DateTime, Utc};
use poem_openapi::{
    Object, OpenApi, Tags,
    param::{Path, Query},
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    ReplayHooks, ViewHooks,
    model::{CallStatus, HookCall, InboundMessage, Keyword, Letter, Unmatched, shown_header, shown_url},
    rules,
    store::{self, InboundFilter},
};
use crate::{
    access::ApiUser,
    db::Db,
    error::{Error, Result},
    messaging::Channel,
    types::{AccountId, Cursor, HookCallId, InboundId, Limit},
    web::{
        Json,
        parts::{TimeMark, time_mark},
    },
};

#[derive(Tags)]
enum Tag {
    /// What providers tell, and what people write.
    Inbound,
}

/// A provider's call, as it was stored.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "HookCall")]
pub struct CallView {
    id: Uuid,
    account_id: Uuid,
    /// The account's name; null when it is gone.
    #[oai(nullable)]
    account: Option<String>,
    #[oai(nullable)]
    provider: Option<String>,
    /// Whether it was a GET: a challenge.
    is_get: bool,
    /// Without what was asked of it.
    url: String,
    body_bytes: i32,
    status: CallStatus,
    /// Why it was refused, or failed.
    #[oai(nullable)]
    detail: Option<String>,
    /// How many receipts it told.
    receipts: i32,
    /// How many messages of people it told.
    inbound: i32,
    /// How often it was read again.
    replays: i32,
    received_at: DateTime<Utc>,
    #[oai(nullable)]
    done_at: Option<DateTime<Utc>>,
}

impl From<HookCall> for CallView {
    fn from(call: HookCall) -> Self {
        Self {
            id: call.id.0,
            account_id: call.account.0,
            account: call.label,
            provider: call.kind,
            is_get: call.is_get,
            url: shown_url(&call.url).to_owned(),
            body_bytes: call.size,
            status: call.status,
            detail: call.detail,
            receipts: call.receipts,
            inbound: call.inbound,
            replays: call.replays,
            received_at: call.received_at,
            done_at: call.done_at,
        }
    }
}

/// One page of calls.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "HookCallList")]
pub struct CallList {
    items: Vec<CallView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    next_cursor: Option<String>,
}

/// One header.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "HookHeader")]
pub struct HeaderView {
    name: String,
    /// Secrets are not shown.
    value: String,
}

/// A call with all that was sent.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "HookCallWhole")]
pub struct WholeView {
    call: CallView,
    headers: Vec<HeaderView>,
    /// As text; bytes that are none are replaced.
    body: String,
}

impl From<(HookCall, Letter)> for WholeView {
    fn from((call, letter): (HookCall, Letter)) -> Self {
        let header = |(name, value): (String, String)| {
            let value = shown_header(&name, &value).to_owned();
            HeaderView { name, value }
        };
        Self {
            call: call.into(),
            headers: letter.headers.into_iter().map(header).collect(),
            body: String::from_utf8_lossy(&letter.body).into_owned(),
        }
    }
}

/// What a person wrote.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "InboundMessage")]
pub struct InboundView {
    id: Uuid,
    account_id: Uuid,
    #[oai(nullable)]
    account: Option<String>,
    /// `sms`, `email`, `whatsapp`, `telegram`, `instagram` or `push`.
    channel: String,
    /// Who wrote.
    address: String,
    /// Which of our numbers, pages or bots was written to.
    to: String,
    /// How the channel calls the person.
    name: String,
    text: String,
    /// The media types of files that came along; the files are at the provider.
    media: Vec<String>,
    /// Set where the whole message was a word that means stop or start.
    #[oai(nullable)]
    keyword: Option<Keyword>,
    /// The contact that has the address.
    #[oai(nullable)]
    contact_id: Option<Uuid>,
    received_at: DateTime<Utc>,
}

impl From<InboundMessage> for InboundView {
    fn from(one: InboundMessage) -> Self {
        Self {
            id: one.id.0,
            account_id: one.account.0,
            account: one.label,
            channel: one.channel.as_str().to_owned(),
            address: one.address,
            to: one.to,
            name: one.name,
            text: one.text,
            media: one.media.into_iter().map(String::from).collect(),
            keyword: one.keyword,
            contact_id: one.contact.map(|id| id.0),
            received_at: one.received_at,
        }
    }
}

/// One page of what people wrote.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "InboundMessageList")]
pub struct InboundList {
    items: Vec<InboundView>,
    #[oai(nullable)]
    next_cursor: Option<String>,
}

/// What a provider said of a message that is not known here.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "UnmatchedReceipt")]
pub struct UnmatchedView {
    id: Uuid,
    account_id: Uuid,
    #[oai(nullable)]
    account: Option<String>,
    /// The provider's id of the message.
    provider_message_id: String,
    /// In our words; null where the provider's is not known here.
    #[oai(nullable)]
    state: Option<String>,
    /// In the provider's words.
    word: String,
    #[oai(nullable)]
    detail: Option<String>,
    /// Nobody signed it: it changes nothing, the provider is asked.
    is_hint: bool,
    /// The call that told it.
    #[oai(nullable)]
    hook_call_id: Option<Uuid>,
    received_at: DateTime<Utc>,
}

impl From<Unmatched> for UnmatchedView {
    fn from(one: Unmatched) -> Self {
        Self {
            id: one.id,
            account_id: one.account.0,
            account: one.label,
            provider_message_id: one.message_id,
            state: one.state,
            word: one.word,
            detail: one.detail,
            is_hint: one.is_hint,
            hook_call_id: one.call.map(|id| id.0),
            received_at: one.received_at,
        }
    }
}

/// One page of them.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "UnmatchedReceiptList")]
pub struct UnmatchedList {
    items: Vec<UnmatchedView>,
    #[oai(nullable)]
    next_cursor: Option<String>,
}

/// The operations on what comes in.
pub struct HooksApi {
    db: Db,
}

impl HooksApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

#[OpenApi(tag = "Tag::Inbound")]
impl HooksApi {
    /// List providers' calls.
    ///
    /// Newest first. Those that were read are kept as `/retention` says, of refused ones the newest 200 of each account.
    #[oai(path = "/hook-calls", method = "get")]
    async fn list_hook_calls(
        &self,
        by: ApiUser<ViewHooks>,
        status: Query<Option<CallStatus>>,
        account_id: Query<Option<Uuid>>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        cursor: Query<Option<String>>,
    ) -> Result<Json<CallList>> {
        let limit = Limit::parse(limit.0)?;
        let before = cursor.0.as_deref().map(Cursor::<HookCallId>::decode).transpose()?.map(|at| at.0);
        let (status, account) = (status.0, account_id.0.map(AccountId));
        let (items, more) = self
            .db
            .read_tenant(&by.tenant, async |tx| rules::list(&tx.last(), status, account, before, limit).await)
            .await?;
        let next_cursor = match items.last().filter(|_| more) {
            Some(last) => Some(Cursor(last.id).encode()?),
            None => None,
        };
        Ok(Json(CallList { items: items.into_iter().map(CallView::from).collect(), next_cursor }))
    }

    /// Show a provider's call.
    ///
    /// With its headers and its body.
    #[oai(path = "/hook-calls/:id", method = "get")]
    async fn get_hook_call(&self, by: ApiUser<ViewHooks>, id: Path<Uuid>) -> Result<Json<WholeView>> {
        let found =
            self.db.read_tenant(&by.tenant, async |tx| rules::get(tx, HookCallId(id.0)).await).await?;
        Ok(Json(found.into()))
    }

    /// Read a call again.
    ///
    /// It is proved anew, with the account's credential as it is now. What it told before is known and counts once.
    #[oai(path = "/hook-calls/:id/replay", method = "post")]
    async fn replay_hook_call(&self, by: ApiUser<ReplayHooks>, id: Path<Uuid>) -> Result<Json<CallView>> {
        let call =
            self.db.in_tenant(&by.tenant, async |tx| rules::replay(tx, &by, HookCallId(id.0)).await).await?;
        Ok(Json(call.into()))
    }

    /// List what people wrote.
    ///
    /// Newest first.
    #[oai(path = "/inbound-messages", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn list_inbound_messages(
        &self,
        by: ApiUser<ViewHooks>,
        /// `sms`, `email`, `whatsapp`, `telegram`, `instagram` or `push`.
        channel: Query<Option<String>>,
        keyword: Query<Option<Keyword>>,
        /// Of this address alone, in the spelling of its channel.
        #[oai(validator(max_length = 4096))]
        address: Query<Option<String>>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        cursor: Query<Option<String>>,
    ) -> Result<Json<InboundList>> {
        let limit = Limit::parse(limit.0)?;
        let channel = channel.0.as_deref().map(str::parse::<Channel>).transpose();
        let channel = channel.map_err(|wrong| Error::Invalid(vec![wrong.at("channel")]))?;
        let before = cursor.0.as_deref().map(Cursor::<InboundId>::decode).transpose()?.map(|at| at.0);
        let address = address.0.map(|text| text.replace('\0', ""));
        let filter = InboundFilter { channel, keyword: keyword.0, address };
        let mut items = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                store::list_inbound(&tx.last(), &filter, before, limit.and_one()).await
            })
            .await?;
        let more = limit.cut(&mut items);
        let next_cursor = match items.last().filter(|_| more) {
            Some(last) => Some(Cursor(last.id).encode()?),
            None => None,
        };
        Ok(Json(InboundList { items: items.into_iter().map(InboundView::from).collect(), next_cursor }))
    }

    /// Show what a person wrote.
    #[oai(path = "/inbound-messages/:id", method = "get")]
    async fn get_inbound_message(&self, by: ApiUser<ViewHooks>, id: Path<Uuid>) -> Result<Json<InboundView>> {
        let found = self
            .db
            .read_tenant(&by.tenant, async |tx| store::find_inbound(&tx.last(), InboundId(id.0)).await)
            .await?;
        Ok(Json(found.ok_or(Error::not_found("message"))?.into()))
    }

    /// List receipts without a message.
    ///
    /// What providers said of messages that are not known here, newest first. They are kept: should the message become known, they
    /// count.
    #[oai(path = "/unmatched-receipts", method = "get")]
    async fn list_unmatched_receipts(
        &self,
        by: ApiUser<ViewHooks>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        cursor: Query<Option<String>>,
    ) -> Result<Json<UnmatchedList>> {
        let limit = Limit::parse(limit.0)?;
        let before = cursor.0.as_deref().map(time_mark).transpose()?;
        let mut items = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                store::list_unmatched(&tx.last(), before, limit.and_one()).await
            })
            .await?;
        let more = limit.cut(&mut items);
        let next_cursor = match items.last().filter(|_| more) {
            Some(last) => Some(Cursor::<TimeMark>((last.received_at, last.id)).encode()?),
            None => None,
        };
        Ok(Json(UnmatchedList { items: items.into_iter().map(UnmatchedView::from).collect(), next_cursor }))
    }
}
