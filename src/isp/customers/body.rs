//! What programs send about customers.

use poem_openapi::{Enum, Object, types::MaybeUndefined};
use uuid::Uuid;

use super::{
    many::{Action, Chosen},
    model::{Accuracy, MergeField, Status, Typed},
    query::Filter,
};
use crate::{
    error::{Error, Result},
    types::{AreaId, CustomerId},
};

/// A new customer.
#[derive(Debug, Object)]
#[oai(rename = "NewCustomer")]
pub struct NewCustomerBody {
    /// Unique, in any case: 409 `reference_taken`.
    #[oai(nullable, validator(max_length = 50))]
    reference: Option<String>,
    #[oai(validator(min_length = 1, max_length = 100))]
    first_name: String,
    #[oai(validator(min_length = 1, max_length = 100))]
    last_name: String,
    /// Unique, in any case: 409 `email_taken`.
    #[oai(nullable, validator(max_length = 254))]
    email: Option<String>,
    /// 5 to 15 digits; without a prefix it is taken for one of the provider's country.
    #[oai(nullable, validator(max_length = 40))]
    phone_primary: Option<String>,
    #[oai(nullable, validator(max_length = 255))]
    street_address: Option<String>,
    #[oai(nullable)]
    area_id: Option<Uuid>,
    /// `active` when absent.
    #[oai(nullable)]
    status: Option<Status>,
    #[oai(nullable, validator(max_length = 5000))]
    notes: Option<String>,
    /// Comes with `longitude`.
    #[oai(nullable, validator(minimum(value = "-90"), maximum(value = "90")))]
    latitude: Option<f64>,
    #[oai(nullable, validator(minimum(value = "-180"), maximum(value = "180")))]
    longitude: Option<f64>,
    /// `manual` when absent.
    #[oai(nullable)]
    location_accuracy: Option<Accuracy>,
    #[oai(nullable, validator(max_length = 255))]
    location_notes: Option<String>,
}

impl From<NewCustomerBody> for Typed {
    fn from(body: NewCustomerBody) -> Self {
        Self {
            reference: body.reference.unwrap_or_default(),
            first_name: body.first_name,
            last_name: body.last_name,
            email: body.email.unwrap_or_default(),
            phone_primary: body.phone_primary.unwrap_or_default(),
            street_address: body.street_address.unwrap_or_default(),
            area_id: body.area_id.map(AreaId),
            status: body.status.map(Status::as_str).unwrap_or_default().to_owned(),
            notes: body.notes.unwrap_or_default(),
            latitude: body.latitude.map(|degrees| degrees.to_string()).unwrap_or_default(),
            longitude: body.longitude.map(|degrees| degrees.to_string()).unwrap_or_default(),
            location_accuracy: body.location_accuracy.map(Accuracy::as_str).unwrap_or_default().to_owned(),
            location_notes: body.location_notes.unwrap_or_default(),
        }
    }
}

/// Changes of a customer: what is absent stays, null takes a value away.
#[derive(Debug, Clone, Object)]
#[oai(rename = "CustomerChanges")]
pub struct CustomerChangesBody {
    #[oai(nullable, validator(max_length = 50))]
    reference: MaybeUndefined<String>,
    #[oai(validator(min_length = 1, max_length = 100))]
    first_name: Option<String>,
    #[oai(validator(min_length = 1, max_length = 100))]
    last_name: Option<String>,
    #[oai(nullable, validator(max_length = 254))]
    email: MaybeUndefined<String>,
    #[oai(nullable, validator(max_length = 40))]
    phone_primary: MaybeUndefined<String>,
    #[oai(nullable, validator(max_length = 255))]
    street_address: MaybeUndefined<String>,
    #[oai(nullable)]
    area_id: MaybeUndefined<Uuid>,
    status: Option<Status>,
    #[oai(nullable, validator(max_length = 5000))]
    notes: MaybeUndefined<String>,
    #[oai(nullable, validator(minimum(value = "-90"), maximum(value = "90")))]
    latitude: MaybeUndefined<f64>,
    #[oai(nullable, validator(minimum(value = "-180"), maximum(value = "180")))]
    longitude: MaybeUndefined<f64>,
    location_accuracy: Option<Accuracy>,
    #[oai(nullable, validator(max_length = 255))]
    location_notes: MaybeUndefined<String>,
}

/// The new text, if there is one; null is the empty text.
fn put<T: ToString>(into: &mut String, value: &MaybeUndefined<T>) {
    match value {
        MaybeUndefined::Undefined => {}
        MaybeUndefined::Null => into.clear(),
        MaybeUndefined::Value(value) => *into = value.to_string(),
    }
}

impl CustomerChangesBody {
    /// The values as they become.
    pub fn over(&self, mut typed: Typed) -> Typed {
        put(&mut typed.reference, &self.reference);
        put(&mut typed.email, &self.email);
        put(&mut typed.phone_primary, &self.phone_primary);
        put(&mut typed.street_address, &self.street_address);
        put(&mut typed.notes, &self.notes);
        put(&mut typed.latitude, &self.latitude);
        put(&mut typed.longitude, &self.longitude);
        put(&mut typed.location_notes, &self.location_notes);
        match self.area_id {
            MaybeUndefined::Undefined => {}
            MaybeUndefined::Null => typed.area_id = None,
            MaybeUndefined::Value(id) => typed.area_id = Some(AreaId(id)),
        }
        if let Some(name) = &self.first_name {
            typed.first_name.clone_from(name);
        }
        if let Some(name) = &self.last_name {
            typed.last_name.clone_from(name);
        }
        if let Some(status) = self.status {
            typed.status = status.as_str().to_owned();
        }
        if let Some(accuracy) = self.location_accuracy {
            typed.location_accuracy = accuracy.as_str().to_owned();
        }
        typed
    }
}

/// A change of status.
#[derive(Debug, Object)]
#[oai(rename = "CustomerStatusChange")]
pub struct StatusBody {
    pub status: Status,
    /// Kept in the audit trail.
    #[oai(nullable, validator(max_length = 500))]
    pub reason: Option<String>,
}

/// Who goes in a merge, and what is kept of it.
#[derive(Debug, Object)]
#[oai(rename = "CustomerMerge")]
pub struct MergeBody {
    /// The customer who goes; the one in the path stays.
    pub from: Uuid,
    /// The fields whose values are taken from the one who goes. `location` is coordinates with how they were found.
    #[oai(default, validator(max_items = 10))]
    pub fields: Vec<MergeField>,
}

/// What is done with many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "CustomerBulkAction", rename_all = "snake_case")]
pub enum BulkAction {
    /// `value` is the status.
    SetStatus,
    /// `value` is the area's id, or null for none.
    SetArea,
    Delete,
    /// By ids only.
    Restore,
}

/// The same filter as that of the list.
#[derive(Debug, Clone, Object)]
#[oai(rename = "CustomerFilter")]
pub struct FilterBody {
    #[oai(nullable, validator(max_length = 200))]
    q: Option<String>,
    #[oai(nullable, validator(max_items = 4))]
    status: Option<Vec<Status>>,
    #[oai(nullable)]
    area_id: Option<Uuid>,
    #[oai(nullable)]
    located: Option<bool>,
}

/// One change for many customers: those named by `ids`, or everyone who matches `filter`.
#[derive(Debug, Object)]
#[oai(rename = "CustomerBulk")]
pub struct BulkBody {
    #[oai(nullable, validator(min_items = 1, max_items = 1000))]
    ids: Option<Vec<Uuid>>,
    /// An empty filter is everyone.
    #[oai(nullable)]
    filter: Option<FilterBody>,
    pub action: BulkAction,
    #[oai(nullable, validator(max_length = 100))]
    value: Option<String>,
}

impl BulkBody {
    pub fn parse(self) -> Result<(Chosen, Action)> {
        let chosen = match (self.ids, self.filter) {
            (Some(ids), None) => Chosen::Ids(ids.into_iter().map(CustomerId).collect()),
            (None, Some(filter)) => {
                let statuses = filter.status.unwrap_or_default();
                Chosen::Matching(Filter::parse(
                    filter.q.as_deref().unwrap_or_default(),
                    statuses.iter().map(|status| status.as_str()),
                    filter.area_id.map(AreaId),
                    filter.located,
                )?)
            }
            (None, None) => {
                return Err(Error::invalid("ids", "required", "Name customers by ids, or give a filter."));
            }
            (Some(_), Some(_)) => {
                return Err(Error::invalid("filter", "not_both", "Give either ids or a filter, not both."));
            }
        };
        Ok((chosen, action(self.action, self.value.as_deref())?))
    }
}

/// What is to be done, with what it is done.
pub fn action(action: BulkAction, value: Option<&str>) -> Result<Action> {
    let value = value.map(str::trim).filter(|value| !value.is_empty());
    match (action, value) {
        (BulkAction::SetStatus, Some(text)) => {
            let status = Status::parse(text).map_err(|wrong| Error::Invalid(vec![wrong.at("value")]))?;
            Ok(Action::SetStatus(status))
        }
        (BulkAction::SetStatus, None) => Err(Error::invalid("value", "required", "Which status?")),
        (BulkAction::SetArea, None) => Ok(Action::SetArea(None)),
        (BulkAction::SetArea, Some(text)) => text
            .parse()
            .map(|id| Action::SetArea(Some(id)))
            .map_err(|_not_an_id| Error::invalid("value", "not_an_id", "This is not an id.")),
        (BulkAction::Delete, _) => Ok(Action::Delete),
        (BulkAction::Restore, _) => Ok(Action::Restore),
    }
}
