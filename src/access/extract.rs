//! Authority of the API as a type: an operation that takes an `ApiUser<R>` is proven to be called by one who holds `R`.

use std::{marker::PhantomData, ops::Deref};

use poem::{Request, RequestBody};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::{by::By, gate::Access, right::Right};
use crate::{
    error::{Error, Result},
    tenancy::Tenant,
    web::{RateLimits, StandingNote},
};

/// A caller of the API with the right `R` in the request's tenant. Order of checks: tenant, credential, permission.
pub struct ApiUser<R>(By, PhantomData<R>);

impl<R> Deref for ApiUser<R> {
    type Target = By;

    fn deref(&self) -> &By {
        &self.0
    }
}

impl<'a, R: Right> ApiExtractor<'a> for ApiUser<R> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    const PARAM_IS_REQUIRED: bool = true;

    type ParamType = ();
    type ParamRawType = ();

    fn security_schemes() -> Vec<&'static str> {
        vec![R::SCHEME]
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<Self::ParamType>,
    ) -> poem::Result<Self> {
        let tenant = request.extensions().get::<Tenant>().ok_or_else(tenant_missing)?;
        let access = request.extensions().get::<Access>().ok_or_else(|| Error::internal("no access"))?;
        let by = access.api_caller(request, tenant).await?;
        let admitted = admit::<R>(request, &by);
        access.count_use(&by, admitted.is_err());
        admitted?;
        Ok(Self(by, PhantomData))
    }
}

/// Within the limits of this credential, and with the right that is asked for.
fn admit<R: Right>(request: &Request, by: &By) -> Result<()> {
    if let (Some(limits), Some(note)) =
        (request.extensions().get::<std::sync::Arc<RateLimits>>(), request.extensions().get::<StandingNote>())
    {
        limits.credential(by.credential_id(), note)?;
    }
    by.require::<R>()
}

pub(super) fn tenant_missing() -> Error {
    Error::malformed("tenant_missing", "Name the provider in X-Tenant-ID, or use the provider's own host.")
}
