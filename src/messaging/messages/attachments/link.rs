//! Links by which providers fetch a file: sealed, of one tenant, good for a week.

use chrono::{DateTime, TimeDelta, Utc};
use poem::{
    Request, Response, handler,
    http::{Method, header},
    web::{Data, Path},
};
use url::Url;
use uuid::Uuid;

use super::IN_USE;
use crate::{
    access::Guarded,
    error::{Error, OrInternal, Result},
    files,
    messaging::{Messaging, sealed_links::SealedLinks},
    secrets::SecretStore,
    tenancy::{Resolver, Tenant},
    types::{FileId, TenantId},
    web::RouteTable,
};

const PATH: &str = "/a/:token";
const REASON: &str = "a provider fetches a file by the link it was given; its token is the proof";
const PURPOSE: &str = "attachment";
/// Providers fetch at once; some try again for days.
const GOOD_FOR: TimeDelta = TimeDelta::days(7);
const ID_LEN: usize = 16;

/// Makes and reads the links. Cheap to clone.
#[derive(Clone)]
pub struct FileLinks {
    sealed: SealedLinks,
}

impl FileLinks {
    /// With the deployment's own key.
    pub async fn open(store: &dyn SecretStore) -> Result<Self> {
        Ok(Self { sealed: SealedLinks::open(store, PURPOSE).await? })
    }

    /// Where a file can be fetched for a week from now on.
    pub fn url(&self, tenant: &Tenant, resolver: &Resolver, file: FileId, now: DateTime<Utc>) -> Result<Url> {
        let path = self.path(tenant, file, now)?;
        Url::parse(&format!("{}{path}", resolver.url_of(tenant))).internal()
    }

    /// The same on the tenant's own host.
    pub fn path(&self, tenant: &Tenant, file: FileId, now: DateTime<Utc>) -> Result<String> {
        let mut plain = file.0.as_bytes().to_vec();
        plain.extend_from_slice(&(now + GOOD_FOR).timestamp().to_be_bytes());
        Ok(format!("/a/{}", self.sealed.seal(tenant.id(), &plain)?))
    }

    fn read(&self, tenant: TenantId, token: &str, now: DateTime<Utc>) -> Option<FileId> {
        let plain = self.sealed.unseal(tenant, token)?;
        let (id, until) = plain.split_first_chunk::<ID_LEN>()?;
        let until = i64::from_be_bytes(until.try_into().ok()?);
        (now.timestamp() < until).then_some(FileId(Uuid::from_bytes(*id)))
    }
}

/// The address of a link.
pub fn pages(table: &mut RouteTable) {
    table.open_page(Method::GET, PATH, REASON, fetch);
}

#[handler]
async fn fetch(
    messaging: Data<&Messaging>,
    Path(token): Path<String>,
    request: &Request,
) -> poem::Result<Response> {
    let tenant = request.extensions().get::<Tenant>().ok_or(Error::not_found("page"))?;
    let gone = || Error::not_found("file");
    let id = messaging.file_links.read(tenant.id(), &token, Utc::now()).ok_or_else(gone)?;
    let find = async |tx: &_| files::get_for(tx, id, &[IN_USE]).await;
    let file = messaging.db.read_tenant(tenant, find).await?.ok_or_else(gone)?;
    let plain: String = file
        .name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || ".-_ ".contains(c) { c } else { '_' })
        .collect();
    Ok(Response::builder()
        .content_type(file.media_type)
        .header(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{plain}\""))
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(header::CACHE_CONTROL, "private, no-store")
        .header("x-robots-tag", "noindex")
        .body(file.content))
}
