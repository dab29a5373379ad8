//! Pictures of people: shown, put up and taken down.

use poem::{
    Request, Response, handler,
    http::{Method, StatusCode, header},
    web::Path,
};

use super::{
    guard::{CheckedForm, Guarded, PageUser},
    pages::refused_picture,
    profile::{PICTURE_MAX_BYTES, read_picture},
    right::SignedIn,
    staff::{self, ViewStaff},
};
use crate::{
    error::{Error, Result},
    files::File,
    types::{FileId, StaffId},
    web::{Flash, RouteTable},
};

/// What a form weighs besides its file.
const FORM_BYTES: u64 = 65_536;
/// A picture's address changes with the picture.
const KEPT: &str = "private, max-age=86400";

/// Mounts the pages.
pub(super) fn pages(table: &mut RouteTable) {
    table
        .upload::<SignedIn>("/account/avatar", PICTURE_MAX_BYTES as u64 + FORM_BYTES, put_up)
        .page::<SignedIn>(Method::POST, "/account/avatar/remove", take_down)
        .page::<SignedIn>(Method::GET, "/account/avatar", show_own)
        .page::<ViewStaff>(Method::GET, "/staff/:id/avatar", show_other);
}

/// Where somebody's picture is; the address of another picture is another.
pub(super) fn own_url(avatar: FileId) -> String {
    format!("/account/avatar?v={avatar}")
}

pub(super) fn url_of(staff: StaffId, avatar: FileId) -> String {
    format!("/staff/{staff}/avatar?v={avatar}")
}

fn answer(request: &Request, id: FileId, picture: File) -> Response {
    let etag = format!("\"{id}\"");
    let response = Response::builder().header(header::ETAG, &etag).header(header::CACHE_CONTROL, KEPT);
    if request.header(header::IF_NONE_MATCH.as_str()) == Some(etag.as_str()) {
        return response.status(StatusCode::NOT_MODIFIED).finish();
    }
    response.content_type(&picture.media_type).body(picture.content)
}

#[handler]
async fn show_own(request: &Request, user: PageUser) -> Result<Response> {
    let (id, picture) = user.access.picture_of(&user.by, user.staff).await?;
    Ok(answer(request, id, picture))
}

#[handler]
async fn show_other(request: &Request, user: PageUser, id: Path<String>) -> Result<Response> {
    let (id, picture) = user.access.picture_of(&user.by, staff::id_of(&id)?).await?;
    Ok(answer(request, id, picture))
}

#[handler]
async fn put_up(user: PageUser, form: CheckedForm) -> Result<Response> {
    let put = async {
        let Some(file) = form.upload("avatar").filter(|file| !file.content.is_empty()) else {
            return Err(Error::invalid("avatar", "required", "Choose a picture."));
        };
        let picture = read_picture(file.content.clone()).await?;
        user.access.change_picture(&user.by, Some(&picture)).await
    };
    match put.await {
        Ok(()) => Ok(user.then("/account", &Flash::success("Picture saved."))),
        Err(error) => refused_picture(&user, error).await,
    }
}

#[handler]
async fn take_down(user: PageUser) -> Result<Response> {
    user.access.change_picture(&user.by, None).await?;
    Ok(user.then("/account", &Flash::success("Picture removed.")))
}
