//! Accent colour and logo: what is taken, what is refused, and how both are served.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat};

use crate::harness::{Browser, Tenant, between, tenant};

fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::new_rgb8(width, height).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// The addresses of the style sheet and of the logo on a page, as the browser sees them.
async fn style_sheet(browser: &mut Browser) -> String {
    let page = browser.get("/settings/branding").await;
    page.expect_status(200);
    let version = between(&page.text(), "href=\"/branding.css?v=", "\"").unwrap();
    format!("/branding.css?v={version}")
}

async fn put_logo(browser: &mut Browser, content: &[u8]) -> crate::harness::Answer {
    browser.get("/settings/branding").await.expect_status(200);
    browser.upload("/settings/branding/logo", &[], ("logo", "logo.png", content)).await
}

async fn on_branding() -> (Tenant, Browser) {
    let tenant = tenant().await;
    let browser = tenant.browser().await;
    (tenant, browser)
}

#[tokio::test]
async fn a_new_colour_shows_at_once_and_is_cached_by_its_version() {
    let (tenant, mut browser) = on_branding().await;
    let old = style_sheet(&mut browser).await;
    browser.post("/settings/branding", &[("accent", "#FFD400")]).await.expect_status(303);
    let new = style_sheet(&mut browser).await;
    assert_ne!(old, new);
    // Anyone may see it: the sign-in page does.
    let sheet = tenant.anonymous().get(&new).await;
    sheet.expect_status(200);
    assert_eq!(sheet.text().trim(), ":root{--brand:#ffd400;--brand-content:#14202b}");
    assert_eq!(sheet.header("content-type"), "text/css; charset=utf-8");
    assert_eq!(sheet.header("cache-control"), "public, max-age=31536000, immutable");
    let known = tenant.anonymous().header("if-none-match", sheet.header("etag")).get(&new).await;
    assert_eq!((known.status, known.body.len()), (304, 0));
    assert_eq!(tenant.anonymous().get(&old).await.header("cache-control"), "public, max-age=60");

    let refused = browser.post("/settings/branding", &[("accent", "#ggg")]).await;
    refused.expect_status(422);
    assert!(refused.text().contains("Write the colour as # and six hexadecimal digits."));
    let told = tenant.api().await.get("/api/v1/audit-events?action=company.updated").await.expect(200);
    assert_eq!(told["items"][0]["after"]["accent"], "#ffd400");
}

#[tokio::test]
async fn a_logo_is_written_anew_served_and_removed() {
    let (tenant, mut browser) = on_branding().await;
    tenant.anonymous().get("/logo").await.expect_status(404);
    // Something behind the picture that must not survive.
    let mut sent = picture(1024, 512, ImageFormat::Png);
    sent.extend_from_slice(b"<script>alert(1)</script>");
    put_logo(&mut browser, &sent).await.expect_status(303);
    let page = browser.get("/settings/branding").await.text();
    let version = between(&page, "src=\"/logo?v=", "\"").unwrap();
    let path = format!("/logo?v={version}");
    let logo = tenant.anonymous().get(&path).await;
    logo.expect_status(200);
    assert_eq!(logo.header("content-type"), "image/png");
    assert_eq!(logo.header("cache-control"), "public, max-age=31536000, immutable");
    let kept = image::load_from_memory(&logo.body).unwrap();
    assert_eq!((kept.width(), kept.height()), (512, 256));
    assert!(!logo.text().contains("script"));
    let known = tenant.anonymous().header("if-none-match", logo.header("etag")).get(&path).await;
    assert_eq!((known.status, known.body.len()), (304, 0));

    browser.post("/settings/branding/logo/remove", &[]).await.expect_status(303);
    tenant.anonymous().get(&path).await.expect_status(404);
    assert!(!browser.get("/settings/branding").await.text().contains("src=\"/logo"));
}

#[tokio::test]
async fn what_is_no_picture_or_too_large_is_refused() {
    let (tenant, mut browser) = on_branding().await;
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>".to_vec();
    let mut bomb = picture(8, 8, ImageFormat::Png);
    bomb.truncate(40);
    for (content, sentence) in [
        (svg, "A logo is a PNG, JPEG, WebP or GIF picture."),
        (b"PK\x03\x04".to_vec(), "A logo is a PNG, JPEG, WebP or GIF picture."),
        (picture(4097, 2, ImageFormat::Png), "A logo has at most 4096 by 4096 pixels."),
        (bomb, "This file is not a picture that can be read."),
    ] {
        let refused = put_logo(&mut browser, &content).await;
        refused.expect_status(422);
        assert!(refused.text().contains(sentence), "{}", refused.text());
    }
    let heavy = vec![0; 4 * 1_048_576 + 200_000];
    put_logo(&mut browser, &heavy).await.expect_status(413);
    tenant.anonymous().get("/logo").await.expect_status(404);
}
