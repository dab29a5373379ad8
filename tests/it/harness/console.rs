//! People of the platform, and browsers in which they are signed in to the console.

use super::{Browser, PASSWORD, Server, authenticator::Authenticator, between, program, sql};

/// Where the console is.
pub const HOST: &str = "isp.test";

/// Somebody of the platform, signed in.
pub struct Staff {
    pub id: String,
    pub email: String,
    pub app: Authenticator,
    pub codes: Vec<String>,
    pub browser: Browser,
}

impl Server {
    /// Runs `lastmile platform ..` against this server's deployment: what it printed, and whether it went well.
    pub fn platform_command(&self, args: &[&str]) -> (String, bool) {
        let output = program(&self.database, self.folder.path()).arg("platform").args(args).output().unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (said, output.status.success())
    }

    /// The code of a new invitation.
    pub fn invited(&self, email: &str, role: &str) -> String {
        let (said, is_done) = self.platform_command(&["invite", "--email", email, "--role", role]);
        assert!(is_done, "{said}");
        said.split("code=").nth(1).unwrap().trim().to_owned()
    }

    /// Somebody of the platform with this role, who has joined, and a browser in which they are signed in.
    pub async fn staff(&self, role: &str) -> Staff {
        let mark = uuid::Uuid::new_v4().simple().to_string();
        let email = format!("{role}-{mark}@platform.example");
        let code = self.invited(&email, role);
        let mut browser = self.browser(HOST);
        browser.get(&format!("/console/join?code={code}")).await.expect_status(200);
        let joined = browser.post("/console/join", &[("code", &code), ("password", PASSWORD)]).await;
        joined.expect_status(303);
        assert_eq!(joined.header("location"), "/console/enrol");
        let (app, codes) = enrolled(&mut browser).await;
        // As if a step of time had passed: the code of now counts again.
        let later = "UPDATE public.platform_totp t SET last_step = last_step - 1 FROM public.platform_staff s
                     WHERE s.id = t.staff_id AND s.email = $1";
        assert_eq!(sql(&self.database).await.execute(later, &[&email]).await.unwrap(), 1);
        let page = browser.get("/console/people").await;
        page.expect_status(200);
        let row = page.text();
        let row = row.split("<tr").skip(1).find(|row| row.contains(&email)).unwrap();
        let id = between(row, "/console/people/", "\"").unwrap();
        Staff { id, email, app, codes, browser }
    }
}

/// Sets the second step up, with the code of now.
pub async fn enrolled(browser: &mut Browser) -> (Authenticator, Vec<String>) {
    let page = browser.get("/console/enrol").await;
    page.expect_status(200);
    let key = between(&page.text(), "aria-label=\"Key for the app\"", "</code>").unwrap();
    let app = Authenticator::new(key.split('>').nth(1).unwrap());
    let done = browser.post("/console/enrol", &[("code", &app.code())]).await;
    done.expect_status(200);
    let codes = super::authenticator::shown_codes(&done.text());
    (app, codes)
}

impl Staff {
    /// The same person in another browser, as far as the second step.
    pub async fn halfway(&self, server: &Server) -> Browser {
        let mut browser = server.browser(HOST);
        browser.get("/console/sign-in").await.expect_status(200);
        let fields = [("email", self.email.as_str()), ("password", PASSWORD)];
        let answer = browser.post("/console/sign-in", &fields).await;
        answer.expect_status(303);
        browser
    }
}
