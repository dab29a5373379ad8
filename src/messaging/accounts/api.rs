//! The operations on accounts.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use poem_openapi::{Object, OpenApi, Tags, param::Path, types::MaybeUndefined};
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use super::{
    ManageChannels,
    draft::{AccountDraft, Shown},
    model::BreakerState,
    rules, store,
};
use crate::{
    access::ApiUser,
    error::{Error, Result},
    messaging::{
        Channel, Messaging, hooks,
        providers::{Field, FieldKind, Proof, REGISTRY},
    },
    tenancy::Tenant,
    types::{AccountId, Wrong},
    web::{Body, Created, Json, NoContent},
};

#[derive(Tags)]
enum Tag {
    /// By whom messages go out: accounts at providers, with credentials that are never shown again.
    #[oai(rename = "Message accounts")]
    MessageAccounts,
}

/// One setting of a provider's credential.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "ProviderField")]
pub struct FieldView {
    name: String,
    label: String,
    /// `text`, `url`, `host`, `port`, `email`, `flag` (`on`, `off`), `choice`, `key_file`, `public_key`, `signing_secret`
    kind: String,
    is_secret: bool,
    is_required: bool,
    #[oai(nullable)]
    default: Option<String>,
    hint: String,
    /// What a choice can be.
    choices: Vec<String>,
}

pub(super) fn kind_word(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Text => "text",
        FieldKind::Url => "url",
        FieldKind::Host => "host",
        FieldKind::Port => "port",
        FieldKind::Email => "email",
        FieldKind::Flag => "flag",
        FieldKind::OneOf(_) => "choice",
        FieldKind::KeyFile => "key_file",
        FieldKind::PublicKey => "public_key",
        FieldKind::SigningSecret => "signing_secret",
    }
}

impl From<&Field> for FieldView {
    fn from(field: &Field) -> Self {
        let choices = match field.kind {
            FieldKind::OneOf(words) => words.iter().map(|word| (*word).to_owned()).collect(),
            _ => Vec::new(),
        };
        Self {
            name: field.name.to_owned(),
            label: field.label.to_owned(),
            kind: kind_word(field.kind).to_owned(),
            is_secret: field.is_secret,
            is_required: field.is_required,
            default: field.default.map(str::to_owned),
            hint: field.hint.to_owned(),
            choices,
        }
    }
}

/// A provider that can be connected.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "MessageProvider")]
pub struct ProviderView {
    kind: String,
    label: String,
    channel: String,
    fields: Vec<FieldView>,
    /// Whether it calls us with receipts.
    calls_us: bool,
}

/// The providers there are.
#[derive(Debug, Serialize, Object)]
pub struct MessageProviders {
    items: Vec<ProviderView>,
}

/// A setting of a credential as it may be shown.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "MaskedSetting")]
pub struct MaskedView {
    name: String,
    label: String,
    /// A secret by its last characters at most.
    #[oai(nullable)]
    value: Option<String>,
}

/// An account at a provider.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "MessageAccount")]
pub struct AccountView {
    id: Uuid,
    channel: String,
    kind: String,
    label: String,
    is_active: bool,
    /// Set when it is a sender of the platform's.
    is_platform_sender: bool,
    /// Of one segment, or one message.
    price: Decimal,
    #[oai(nullable)]
    per_second: Option<i32>,
    credential: Vec<MaskedView>,
    /// Where the provider calls us. Nobody else knows it.
    hook_url: String,
    breaker: BreakerState,
    #[oai(nullable)]
    breaker_until: Option<DateTime<Utc>>,
    #[oai(nullable)]
    breaker_reason: Option<String>,
    #[oai(nullable)]
    checked_at: Option<DateTime<Utc>>,
    #[oai(nullable)]
    checked_ok: Option<bool>,
    #[oai(nullable)]
    checked_note: Option<String>,
    /// Until when the credential before the last change is still heard.
    #[oai(nullable)]
    former_credential_until: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// The accounts there are: by channel, the primary first.
#[derive(Debug, Serialize, Object)]
pub struct MessageAccounts {
    items: Vec<AccountView>,
}

/// An account that was connected, or got another credential.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "ConnectedMessageAccount")]
pub struct ConnectedView {
    account: AccountView,
    /// Why the provider could not be told where our hook is; enter `hook_url` on its pages then.
    #[oai(nullable)]
    unannounced: Option<String>,
}

/// A new account.
#[derive(Debug, Object)]
#[oai(rename = "NewMessageAccount")]
pub struct NewAccountBody {
    /// One of `GET /message-providers`.
    kind: String,
    #[oai(validator(min_length = 1, max_length = 100))]
    label: String,
    /// The provider's settings by name.
    credential: BTreeMap<String, String>,
    #[oai(nullable)]
    price: Option<Decimal>,
    #[oai(nullable, validator(minimum(value = "1"), maximum(value = "10000")))]
    per_second: Option<i32>,
    #[oai(nullable)]
    is_active: Option<bool>,
}

/// Changes of an account; what is absent stays.
#[derive(Debug, Clone, Object)]
#[oai(rename = "MessageAccountChanges")]
pub struct AccountChangesBody {
    #[oai(validator(min_length = 1, max_length = 100))]
    label: Option<String>,
    price: Option<Decimal>,
    #[oai(nullable, validator(minimum(value = "1"), maximum(value = "10000")))]
    per_second: MaybeUndefined<i32>,
    is_active: Option<bool>,
}

/// Another credential. An empty secret keeps the old one.
#[derive(Debug, Object)]
#[oai(rename = "MessageAccountCredential")]
pub struct CredentialBody {
    credential: BTreeMap<String, String>,
}

/// A test.
#[derive(Debug, Object)]
#[oai(rename = "MessageAccountTest")]
pub struct TestBody {
    /// Where one real message goes. Nowhere without.
    #[oai(nullable, validator(max_length = 4096))]
    to: Option<String>,
}

/// What a test brought to light.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "MessageAccountTested")]
pub struct TestedView {
    is_ok: bool,
    note: String,
    /// `accepted`, `refused` or `unknown`, where a message was sent.
    #[oai(nullable)]
    message: Option<String>,
    /// The provider's id of it, or why not.
    #[oai(nullable)]
    detail: Option<String>,
}

/// A channel's accounts in their order.
#[derive(Debug, Object)]
#[oai(rename = "MessageAccountOrder")]
pub struct OrderBody {
    channel: String,
    /// Every account of the channel, the primary first.
    #[oai(validator(max_items = 20))]
    account_ids: Vec<Uuid>,
}

/// Prepaid credit for senders of the platform.
#[derive(Debug, Serialize, Object)]
pub struct MessageCredit {
    available: Decimal,
    /// Set aside for messages that are under way.
    reserved: Decimal,
    spent: Decimal,
}

/// The operations on accounts.
pub struct AccountsApi {
    messaging: Messaging,
}

impl AccountsApi {
    pub fn new(messaging: Messaging) -> Self {
        Self { messaging }
    }

    fn view(&self, tenant: &Tenant, shown: Shown) -> Result<AccountView> {
        let hook_url = hooks::url_of(&self.messaging.resolver, tenant, &shown.account)?.to_string();
        let account = shown.account;
        Ok(AccountView {
            id: account.id.0,
            channel: account.channel.to_string(),
            kind: account.kind,
            label: account.label,
            is_active: account.is_active,
            is_platform_sender: account.sender.is_some(),
            price: account.price,
            per_second: account.per_second,
            credential: shown
                .masked
                .into_iter()
                .map(|one| MaskedView { name: one.name, label: one.label, value: one.value })
                .collect(),
            hook_url,
            breaker: account.breaker.state,
            breaker_until: account.breaker.until,
            breaker_reason: account.breaker.reason,
            checked_at: shown.checked_at,
            checked_ok: shown.checked_ok,
            checked_note: shown.checked_note,
            former_credential_until: shown.before_until,
            created_at: shown.created_at,
            updated_at: account.updated_at,
        })
    }

    fn connected(&self, tenant: &Tenant, done: rules::Connected) -> Result<ConnectedView> {
        Ok(ConnectedView { account: self.view(tenant, done.shown)?, unannounced: done.unannounced })
    }
}

fn price_text(price: Option<Decimal>) -> String {
    price.map(|price| price.to_string()).unwrap_or_default()
}

/// What was sent as a credential is said of that: `credential.api_key`.
fn inside_credential(error: Error) -> Error {
    let Error::Invalid(wrong) = error else { return error };
    let own = ["kind", "label", "price", "per_second"];
    let moved = wrong.into_iter().map(|mut one| {
        if !own.contains(&one.field.as_ref()) {
            one.field = format!("credential.{}", one.field).into();
        }
        one
    });
    Error::Invalid(moved.collect())
}

#[OpenApi(tag = "Tag::MessageAccounts")]
impl AccountsApi {
    /// List the providers that can be connected.
    ///
    /// With the settings that each asks for.
    #[oai(path = "/message-providers", method = "get")]
    async fn list_message_providers(&self, _by: ApiUser<ManageChannels>) -> Result<Json<MessageProviders>> {
        let items = REGISTRY.iter().map(|about| ProviderView {
            kind: about.kind.to_owned(),
            label: about.label.to_owned(),
            channel: about.channel.to_string(),
            fields: about.fields.iter().map(FieldView::from).collect(),
            calls_us: about.proof != Proof::None,
        });
        Ok(Json(MessageProviders { items: items.collect() }))
    }

    /// List accounts.
    ///
    /// All of them: a channel has at most 20.
    #[oai(path = "/message-accounts", method = "get")]
    async fn list_message_accounts(&self, by: ApiUser<ManageChannels>) -> Result<Json<MessageAccounts>> {
        let found = self.messaging.db.read_tenant(&by.tenant, async |tx| store::list(tx).await).await?;
        let items = found.into_iter().map(|one| self.view(&by.tenant, one)).collect::<Result<_>>()?;
        Ok(Json(MessageAccounts { items }))
    }

    /// Connect an account.
    ///
    /// Its credential is sealed and never shown again. It is last in its channel's order.
    #[oai(path = "/message-accounts", method = "post")]
    async fn connect_message_account(
        &self,
        by: ApiUser<ManageChannels>,
        body: Body<NewAccountBody>,
    ) -> Result<Created<ConnectedView>> {
        let body = body.0;
        let per_second = body.per_second.map(|n| n.to_string()).unwrap_or_default();
        let price = price_text(body.price);
        let draft = AccountDraft::parse(&body.label, &price, &per_second, body.is_active.unwrap_or(true))?;
        let done = rules::connect(&self.messaging, &by, &body.kind, &draft, &body.credential)
            .await
            .map_err(inside_credential)?;
        self.connected(&by.tenant, done).map(Created)
    }

    /// Put a channel's accounts into an order.
    ///
    /// The first is the primary, those after it are its fallbacks.
    #[oai(path = "/message-accounts/order", method = "put")]
    async fn order_message_accounts(
        &self,
        by: ApiUser<ManageChannels>,
        body: Body<OrderBody>,
    ) -> Result<Json<MessageAccounts>> {
        let channel: Channel =
            body.0.channel.parse().map_err(|odd: Wrong| Error::Invalid(vec![odd.at("channel")]))?;
        let ids: Vec<AccountId> = body.0.account_ids.iter().copied().map(AccountId).collect();
        let db = &self.messaging.db;
        let found = db
            .in_tenant(&by.tenant, async |tx| {
                rules::order(tx, &by, channel, &ids).await?;
                store::list(tx).await
            })
            .await?;
        let items = found.into_iter().map(|one| self.view(&by.tenant, one)).collect::<Result<_>>()?;
        Ok(Json(MessageAccounts { items }))
    }

    /// Show an account.
    #[oai(path = "/message-accounts/:id", method = "get")]
    async fn get_message_account(
        &self,
        by: ApiUser<ManageChannels>,
        id: Path<Uuid>,
    ) -> Result<Json<AccountView>> {
        let db = &self.messaging.db;
        let shown = db.read_tenant(&by.tenant, async |tx| rules::get(tx, AccountId(id.0)).await).await?;
        self.view(&by.tenant, shown).map(Json)
    }

    /// Change an account.
    #[oai(path = "/message-accounts/:id", method = "patch")]
    async fn update_message_account(
        &self,
        by: ApiUser<ManageChannels>,
        id: Path<Uuid>,
        body: Body<AccountChangesBody>,
    ) -> Result<Json<AccountView>> {
        let (id, body) = (AccountId(id.0), &body.0);
        let db = &self.messaging.db;
        let shown = db
            .in_tenant(&by.tenant, async |tx| {
                rules::change(tx, &by, id, |was| {
                    let per_second = match &body.per_second {
                        MaybeUndefined::Undefined => was.per_second,
                        MaybeUndefined::Null => None,
                        MaybeUndefined::Value(n) => Some(*n),
                    };
                    AccountDraft::parse(
                        body.label.as_deref().unwrap_or(&was.label),
                        &price_text(Some(body.price.unwrap_or(was.price))),
                        &per_second.map(|n| n.to_string()).unwrap_or_default(),
                        body.is_active.unwrap_or(was.is_active),
                    )
                })
                .await
            })
            .await?;
        self.view(&by.tenant, shown).map(Json)
    }

    /// Change an account's credential.
    ///
    /// Without a gap: what the provider signed with the old one is heard for another day.
    #[oai(path = "/message-accounts/:id/credential", method = "put")]
    async fn rotate_message_account(
        &self,
        by: ApiUser<ManageChannels>,
        id: Path<Uuid>,
        body: Body<CredentialBody>,
    ) -> Result<Json<ConnectedView>> {
        let done = rules::rotate(&self.messaging, &by, AccountId(id.0), &body.0.credential)
            .await
            .map_err(inside_credential)?;
        self.connected(&by.tenant, done).map(Json)
    }

    /// Test an account.
    ///
    /// Asks the provider whether the credential works; with an address it sends one real message.
    #[oai(path = "/message-accounts/:id/test", method = "post")]
    async fn test_message_account(
        &self,
        by: ApiUser<ManageChannels>,
        id: Path<Uuid>,
        body: Body<TestBody>,
    ) -> Result<Json<TestedView>> {
        let done = rules::test(&self.messaging, &by, AccountId(id.0), body.0.to.as_deref()).await?;
        let (message, detail) = done.sent.map(|(word, detail)| (word.to_owned(), detail)).unzip();
        Ok(Json(TestedView { is_ok: done.is_ok, note: done.note, message, detail }))
    }

    /// Let the next message try an account that is out of use.
    #[oai(path = "/message-accounts/:id/retry", method = "post")]
    async fn retry_message_account(
        &self,
        by: ApiUser<ManageChannels>,
        id: Path<Uuid>,
    ) -> Result<Json<AccountView>> {
        let db = &self.messaging.db;
        let id = AccountId(id.0);
        let shown = db.in_tenant(&by.tenant, async |tx| rules::try_again(tx, &by, id).await).await?;
        self.view(&by.tenant, shown).map(Json)
    }

    /// Delete an account.
    ///
    /// 409 `deliveries_waiting` while deliveries wait for it, or for an answer of it.
    #[oai(path = "/message-accounts/:id", method = "delete")]
    async fn delete_message_account(&self, by: ApiUser<ManageChannels>, id: Path<Uuid>) -> Result<NoContent> {
        let db = &self.messaging.db;
        db.in_tenant(&by.tenant, async |tx| rules::remove(tx, &by, AccountId(id.0)).await).await?;
        Ok(NoContent)
    }

    /// Show the prepaid credit for senders of the platform.
    #[oai(path = "/message-credit", method = "get")]
    async fn get_message_credit(&self, by: ApiUser<ManageChannels>) -> Result<Json<MessageCredit>> {
        let found = self.messaging.db.read_tenant(&by.tenant, async |tx| store::credit(tx).await).await?;
        let (available, reserved, spent) = found.unwrap_or_default();
        Ok(Json(MessageCredit { available, reserved, spent }))
    }
}
