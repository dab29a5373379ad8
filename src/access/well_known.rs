//! The public keys of access tokens, for programs that check tokens themselves.

use poem::{
    EndpointExt, IntoResponse, Response, handler,
    http::{HeaderValue, Method, header},
    web::Data,
};

use super::gate::Access;
use crate::web::{Authority, Json, RouteTable};

/// Mounts `/.well-known/jwks.json`; the same on every host.
pub fn well_known(table: &mut RouteTable, access: &Access) {
    let authority = Authority::Anyone("Public keys are public.".to_owned());
    table.at(Method::GET, "/.well-known/jwks.json", authority, jwks.data(access.clone()));
}

#[handler]
async fn jwks(access: Data<&Access>) -> Response {
    let mut response = Json(access.0.0.keys.signing.jwks().await).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}
