//! A session of W3C WebDriver, by plain HTTP: one request a connection.

use std::io;
use std::net::SocketAddr;

use super::super::json::Json;
use super::super::{Client, request};

/// The commands in use: name, method, path within the session (sections 10 to 17 of the W3C recommendation).
const COMMANDS: [(&str, &str, &str); 16] = [
    ("Navigate", "POST", "url"),
    ("GetCurrentURL", "GET", "url"),
    ("Refresh", "POST", "refresh"),
    ("Back", "POST", "back"),
    ("FindElement", "POST", "element"),
    ("ElementClick", "POST", "element/{id}/click"),
    ("ElementSendKeys", "POST", "element/{id}/value"),
    ("GetElementText", "GET", "element/{id}/text"),
    ("ExecuteScript", "POST", "execute/sync"),
    ("TakeScreenshot", "GET", "screenshot"),
    ("GetWindowHandle", "GET", "window"),
    ("GetWindowHandles", "GET", "window/handles"),
    ("NewWindow", "POST", "window/new"),
    ("SwitchToWindow", "POST", "window"),
    ("CloseWindow", "DELETE", "window"),
    ("SetWindowRect", "POST", "window/rect"),
];

pub struct Session {
    driver: SocketAddr,
    path: String,
}

impl Session {
    pub fn new(port: u16, capabilities: Json) -> Session {
        let driver = SocketAddr::from(([127, 0, 0, 1], port));
        let new = Json::object([("capabilities", Json::object([("alwaysMatch", capabilities)]))]);
        let session = ask(driver, "POST", "/session", &new).expect("a new session");
        Session { driver, path: format!("/session/{}", session["sessionId"].text()) }
    }

    pub fn command(&self, name: &str, parameters: &Json) -> io::Result<Json> {
        let (_, method, path) = COMMANDS.iter().find(|(it, ..)| *it == name).expect(name);
        let path = match &parameters["id"] {
            Json::Text(id) => path.replace("{id}", id),
            _ => (*path).to_owned(),
        };
        self.ask(method, &path, parameters)
    }

    pub fn ask(&self, method: &str, path: &str, parameters: &Json) -> io::Result<Json> {
        ask(self.driver, method, &format!("{}/{path}", self.path), parameters)
    }

    /// Ends the browser.
    pub fn end(&self) {
        let _ = ask(self.driver, "DELETE", &self.path, &Json::Null);
    }
}

fn ask(driver: SocketAddr, method: &str, path: &str, parameters: &Json) -> io::Result<Json> {
    let body = if method == "POST" { parameters.to_string() } else { String::new() };
    let mut client = Client::try_connect(driver)?;
    client.try_send(request(method, path, &[("Content-Type", "application/json")], body))?;
    let answer = client.try_answer()?;
    match answer.status {
        200 => Ok(Json::parse(&answer.text())["value"].clone()),
        status => Err(io::Error::other(format!("{status} {}", answer.text()))),
    }
}
