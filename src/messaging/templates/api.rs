//! The operations on templates.

use poem_openapi::{
    OpenApi, Tags,
    param::{Path, Query},
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    ApproveTemplates, EditTemplates, ViewTemplates,
    composer::Composer,
    model::{Draft, Filter, State, checked_variables},
    preview::{self, Who},
    rules, store,
    view::{
        DecisionBody, DefaultBody, NewTemplateBody, PreviewBody, RestoreBody, SegmentsView,
        TemplateChangesBody, TemplateDefault, TemplateDefaults, TemplateList, TemplatePreview,
        TemplateVersionList, TemplateView, VersionView, channel_of, variables_of, words_of,
    },
};
use crate::{
    access::ApiUser,
    error::{Error, Result},
    messaging::{Channel, Messaging, policy},
    types::{ContactId, Cursor, CustomerId, Limit, TemplateId},
    web::{Body, Created, Json},
};

#[derive(Tags)]
enum Tag {
    /// What messages say: words per channel and language, in versions that are approved.
    Templates,
}

/// The operations on templates.
pub struct TemplatesApi {
    messaging: Messaging,
}

impl TemplatesApi {
    pub fn new(messaging: Messaging) -> Self {
        Self { messaging }
    }

    #[expect(clippy::too_many_lines, reason = "one preview, looked up and put together")]
    async fn preview_of(&self, by: &ApiUser<ViewTemplates>, body: PreviewBody) -> Result<TemplatePreview> {
        let channel = channel_of(&body.channel)?;
        let given = match body.context {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(context)) => context,
            Some(_) => return Err(Error::invalid("context", "not_an_object", "This must be an object.")),
        };
        let who = match (body.contact_id, body.customer_id) {
            (Some(id), _) => Who::Contact(ContactId(id)),
            (None, Some(id)) => Who::Customer(CustomerId(id)),
            (None, None) => Who::Sample,
        };
        let own = match body.contents {
            Some(contents) => {
                let words = words_of(contents)?.checked()?;
                let variables = checked_variables(variables_of(body.variables.unwrap_or_default()))?;
                Some(Composer::new(&words, &variables, &body.footer.unwrap_or_default())?)
            }
            None => None,
        };
        let template = body.template_id.map(TemplateId);
        if own.is_none() && template.is_none() {
            return Err(Error::invalid("contents", "required", "Name a template, or say something."));
        }
        let directory = self.messaging.directory.as_ref();
        let (stored, person, language) = self
            .messaging
            .db
            .read_tenant(&by.tenant, async |tx| {
                let stored = match template {
                    Some(id) => {
                        let unknown =
                            || Error::invalid("template_id", "unknown", "There is no such template.");
                        let found = store::find(tx, id).await?.ok_or_else(unknown)?;
                        let n = body.version.unwrap_or(found.latest);
                        let missing = || Error::invalid("version", "unknown", "There is no such version.");
                        Some(store::find_version(tx, id, n).await?.ok_or_else(missing)?.version)
                    }
                    None => None,
                };
                let person = preview::person(tx, &by.tenant, directory, &who).await?;
                Ok((stored, person, policy::get(tx).await?.default_language))
            })
            .await?;
        let composer = match (own, stored) {
            (Some(own), _) => own,
            (None, Some(stored)) => stored.composer()?,
            (None, None) => return Err(Error::internal("neither words nor a template")),
        };
        let made = preview::preview(
            &composer,
            channel,
            body.language.as_deref(),
            &language,
            person.as_ref(),
            &given,
        )
        .map_err(|error| Error::invalid("contents", error.code(), error.to_string()))?;
        Ok(TemplatePreview {
            subject: made.content.subject,
            title: made.content.title,
            text: made.content.text,
            html: made.content.html,
            sms: made.segments.map(|sms| SegmentsView {
                encoding: sms.encoding.as_str().to_owned(),
                units: sms.units as u64,
                segments: sms.count,
                left: sms.left as u64,
                odd_character: sms.odd_one.map(String::from),
            }),
            missing: made.missing,
        })
    }
}

#[OpenApi(tag = "Tag::Templates")]
impl TemplatesApi {
    /// List templates.
    ///
    /// The newest first.
    #[oai(path = "/templates", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn list_templates(
        &self,
        by: ApiUser<ViewTemplates>,
        /// Found in names and descriptions.
        #[oai(validator(max_length = 200))]
        q: Query<Option<String>>,
        /// Of the newest version.
        state: Query<Option<State>>,
        channel: Query<Option<String>>,
        /// Archived ones instead of those in use.
        archived: Query<Option<bool>>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        cursor: Query<Option<String>>,
    ) -> Result<Json<TemplateList>> {
        let limit = Limit::parse(limit.0)?;
        let after = cursor.0.as_deref().map(Cursor::<Uuid>::decode).transpose()?.map(|cursor| cursor.0);
        let filter = Filter {
            q: q.0
                .map(|q| q.chars().filter(|c| !c.is_control()).collect())
                .filter(|q: &String| !q.is_empty()),
            state: state.0,
            channel: channel.0.as_deref().map(channel_of).transpose()?,
            is_archived: archived.0 == Some(true),
        };
        let db = &self.messaging.db;
        let (items, more) =
            db.read_tenant(&by.tenant, async |tx| rules::list(tx, &filter, after, limit).await).await?;
        let next_cursor = match items.last() {
            Some(last) if more => Some(Cursor(last.id.0).encode()?),
            _ => None,
        };
        Ok(Json(TemplateList { items: items.into_iter().map(TemplateView::from).collect(), next_cursor }))
    }

    /// Write a template.
    ///
    /// Its first version is a draft. 409 `name_taken`.
    #[oai(path = "/templates", method = "post")]
    async fn create_template(
        &self,
        by: ApiUser<EditTemplates>,
        body: Body<NewTemplateBody>,
    ) -> Result<Created<TemplateView>> {
        let body = body.0;
        let draft = Draft {
            name: body.name,
            description: body.description.unwrap_or_default(),
            words: words_of(body.contents)?,
            variables: variables_of(body.variables.unwrap_or_default()),
            footer: body.footer.unwrap_or_default(),
        }
        .checked()?;
        let db = &self.messaging.db;
        let template = db.in_tenant(&by.tenant, async |tx| rules::create(tx, &by, &draft).await).await?;
        Ok(Created(template.into()))
    }

    /// Show a message as somebody would be sent it.
    ///
    /// With a person's values or samples. For text messages with encoding and segments.
    #[oai(path = "/templates/preview", method = "post")]
    async fn preview_template(
        &self,
        by: ApiUser<ViewTemplates>,
        body: Body<PreviewBody>,
    ) -> Result<Json<TemplatePreview>> {
        self.preview_of(&by, body.0).await.map(Json)
    }

    /// Show a template.
    #[oai(path = "/templates/:id", method = "get")]
    async fn get_template(&self, by: ApiUser<ViewTemplates>, id: Path<Uuid>) -> Result<Json<TemplateView>> {
        let db = &self.messaging.db;
        let template = db.read_tenant(&by.tenant, async |tx| rules::get(tx, TemplateId(id.0)).await).await?;
        Ok(Json(template.into()))
    }

    /// Change a template.
    ///
    /// A draft changes in place. What was approved or rejected stays, and a new draft follows it. 409 `template_pending` while it
    /// waits for approval.
    #[oai(path = "/templates/:id", method = "patch")]
    async fn update_template(
        &self,
        by: ApiUser<EditTemplates>,
        id: Path<Uuid>,
        body: Body<TemplateChangesBody>,
    ) -> Result<Json<TemplateView>> {
        let (id, body) = (TemplateId(id.0), &body.0);
        let db = &self.messaging.db;
        let changed = db
            .in_tenant(&by.tenant, async |tx| rules::change(tx, &by, id, |was| body.clone().over(was)).await)
            .await?;
        Ok(Json(changed.into()))
    }

    /// List a template's versions.
    ///
    /// The newest first.
    #[oai(path = "/templates/:id/versions", method = "get")]
    async fn list_template_versions(
        &self,
        by: ApiUser<ViewTemplates>,
        id: Path<Uuid>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        cursor: Query<Option<String>>,
    ) -> Result<Json<TemplateVersionList>> {
        let (id, limit) = (TemplateId(id.0), Limit::parse(limit.0)?);
        let before = cursor.0.as_deref().map(Cursor::<i32>::decode).transpose()?.map(|cursor| cursor.0);
        let db = &self.messaging.db;
        let (items, more) =
            db.read_tenant(&by.tenant, async |tx| rules::history(tx, id, before, limit).await).await?;
        let next_cursor = match items.last() {
            Some(last) if more => Some(Cursor(last.version.version).encode()?),
            _ => None,
        };
        let items = items.into_iter().map(VersionView::of).collect::<Result<_>>()?;
        Ok(Json(TemplateVersionList { items, next_cursor }))
    }

    /// Show a version of a template.
    #[oai(path = "/templates/:id/versions/:version", method = "get")]
    async fn get_template_version(
        &self,
        by: ApiUser<ViewTemplates>,
        id: Path<Uuid>,
        version: Path<i32>,
    ) -> Result<Json<VersionView>> {
        let db = &self.messaging.db;
        let written = db
            .read_tenant(&by.tenant, async |tx| rules::written(tx, TemplateId(id.0), version.0).await)
            .await?;
        VersionView::of(written).map(Json)
    }

    /// Hand a draft in for approval.
    ///
    /// 409 `not_a_draft`; 422 `unknown_variable` names what nobody would fill in.
    #[oai(path = "/templates/:id/submit", method = "post")]
    async fn submit_template(
        &self,
        by: ApiUser<EditTemplates>,
        id: Path<Uuid>,
    ) -> Result<Json<TemplateView>> {
        let db = &self.messaging.db;
        let done =
            db.in_tenant(&by.tenant, async |tx| rules::submit(tx, &by, TemplateId(id.0)).await).await?;
        Ok(Json(done.into()))
    }

    /// Take a draft back that was handed in.
    #[oai(path = "/templates/:id/withdraw", method = "post")]
    async fn withdraw_template(
        &self,
        by: ApiUser<EditTemplates>,
        id: Path<Uuid>,
    ) -> Result<Json<TemplateView>> {
        let db = &self.messaging.db;
        let done =
            db.in_tenant(&by.tenant, async |tx| rules::withdraw(tx, &by, TemplateId(id.0)).await).await?;
        Ok(Json(done.into()))
    }

    /// Approve a version.
    ///
    /// 409 `not_pending` when it is not the one that waits.
    #[oai(path = "/templates/:id/approve", method = "post")]
    async fn approve_template(
        &self,
        by: ApiUser<ApproveTemplates>,
        id: Path<Uuid>,
        body: Body<DecisionBody>,
    ) -> Result<Json<TemplateView>> {
        self.decided(&by, TemplateId(id.0), &body.0, true).await
    }

    /// Reject a version.
    #[oai(path = "/templates/:id/reject", method = "post")]
    async fn reject_template(
        &self,
        by: ApiUser<ApproveTemplates>,
        id: Path<Uuid>,
        body: Body<DecisionBody>,
    ) -> Result<Json<TemplateView>> {
        self.decided(&by, TemplateId(id.0), &body.0, false).await
    }

    /// Go back to an older version.
    ///
    /// A new draft has its words.
    #[oai(path = "/templates/:id/restore", method = "post")]
    async fn restore_template(
        &self,
        by: ApiUser<EditTemplates>,
        id: Path<Uuid>,
        body: Body<RestoreBody>,
    ) -> Result<Json<TemplateView>> {
        let (id, n) = (TemplateId(id.0), body.0.version);
        let db = &self.messaging.db;
        let done = db.in_tenant(&by.tenant, async |tx| rules::restore(tx, &by, id, n).await).await?;
        Ok(Json(done.into()))
    }

    /// Put a template away.
    ///
    /// Nothing is sent with it any more; what was sent stays readable.
    #[oai(path = "/templates/:id/archive", method = "post")]
    async fn archive_template(
        &self,
        by: ApiUser<EditTemplates>,
        id: Path<Uuid>,
    ) -> Result<Json<TemplateView>> {
        let db = &self.messaging.db;
        let id = TemplateId(id.0);
        let done = db.in_tenant(&by.tenant, async |tx| rules::archive(tx, &by, id, true).await).await?;
        Ok(Json(done.into()))
    }

    /// Take a template out again.
    #[oai(path = "/templates/:id/unarchive", method = "post")]
    async fn unarchive_template(
        &self,
        by: ApiUser<EditTemplates>,
        id: Path<Uuid>,
    ) -> Result<Json<TemplateView>> {
        let db = &self.messaging.db;
        let id = TemplateId(id.0);
        let done = db.in_tenant(&by.tenant, async |tx| rules::archive(tx, &by, id, false).await).await?;
        Ok(Json(done.into()))
    }

    /// List the channels' default templates.
    #[oai(path = "/template-defaults", method = "get")]
    async fn list_template_defaults(&self, by: ApiUser<ViewTemplates>) -> Result<Json<TemplateDefaults>> {
        let db = &self.messaging.db;
        let found = db.read_tenant(&by.tenant, async |tx| store::defaults(tx).await).await?;
        let items = found
            .into_iter()
            .map(|(channel, id, name)| TemplateDefault {
                channel: channel.to_string(),
                template_id: id.0,
                name,
            })
            .collect();
        Ok(Json(TemplateDefaults { items }))
    }

    /// Set a channel's default template.
    ///
    /// It has to be approved and to say something on that channel.
    #[oai(path = "/template-defaults/:channel", method = "put")]
    async fn set_template_default(
        &self,
        by: ApiUser<ApproveTemplates>,
        channel: Path<String>,
        body: Body<DefaultBody>,
    ) -> Result<Json<TemplateDefaults>> {
        let channel = channel.0.parse::<Channel>().map_err(|_odd| Error::not_found("channel"))?;
        let id = body.0.template_id.map(TemplateId);
        let db = &self.messaging.db;
        let found = db
            .in_tenant(&by.tenant, async |tx| {
                rules::set_default(tx, &by, channel, id).await?;
                store::defaults(tx).await
            })
            .await?;
        let items = found
            .into_iter()
            .map(|(channel, id, name)| TemplateDefault {
                channel: channel.to_string(),
                template_id: id.0,
                name,
            })
            .collect();
        Ok(Json(TemplateDefaults { items }))
    }
}

impl TemplatesApi {
    async fn decided(
        &self,
        by: &ApiUser<ApproveTemplates>,
        id: TemplateId,
        body: &DecisionBody,
        is_approved: bool,
    ) -> Result<Json<TemplateView>> {
        let note = body.note.as_deref().unwrap_or_default();
        let db = &self.messaging.db;
        let done = db
            .in_tenant(&by.tenant, async |tx| {
                rules::decide(tx, by, id, body.version, is_approved, note).await
            })
            .await?;
        Ok(Json(done.into()))
    }
}
