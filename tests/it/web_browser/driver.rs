//! As much of the WebDriver protocol (W3C) as the tests of the page need, over chromedriver.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::support::within;

/// What the protocol calls a reference to an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

const OPTIONS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--lang=en-GB",
];

/// A chromium with a profile of its own. Ended when it is dropped.
pub struct Browser {
    // Ended before the profile, which must outlive it.
    _driver: Child,
    _profile: TempDir,
    address: String,
    session: String,
}

impl Browser {
    /// `None` where chromium or chromedriver is missing; that is said, and where
    /// `PODCAL_REQUIRE_BROWSER` is set it is a failure.
    pub async fn start() -> Option<Self> {
        let programs = ["chromedriver", "chromium"].map(program);
        let [Some(driver), Some(chromium)] = programs else {
            let is_required = std::env::var_os("PODCAL_REQUIRE_BROWSER").is_some();
            assert!(!is_required, "chromium or chromedriver is not installed");
            eprintln!("left out: chromium or chromedriver is not installed");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new(driver)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = async {
            loop {
                let line = lines
                    .next_line()
                    .await
                    .unwrap()
                    .expect("chromedriver ended");
                if let Some((_, port)) = line.rsplit_once("successfully on port ") {
                    return port.trim_end_matches('.').to_owned();
                }
            }
        };
        let address = format!("127.0.0.1:{}", within("chromedriver", port).await);
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let profile_option = format!("--user-data-dir={}", profile.path().display());
        let options: Vec<&str> = OPTIONS.into_iter().chain([&*profile_option]).collect();
        let mut browser = Self {
            _driver: child,
            _profile: profile,
            address,
            session: String::new(),
        };
        let session = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "binary": chromium, "args": options },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let session = browser.send("POST", "/session", &session).await;
        browser.session = format!("/session/{}", session["sessionId"].as_str().unwrap());
        Some(browser)
    }

    pub async fn open(&self, url: &str) {
        self.ask("POST", "/url", &json!({ "url": url })).await;
    }

    /// What a function body returns in the page.
    pub async fn script(&self, body: &str) -> Value {
        let script = json!({ "script": body, "args": [] });
        self.ask("POST", "/execute/sync", &script).await
    }

    /// Waits until an expression holds in the page.
    pub async fn until(&self, expression: &str) {
        let holds = async {
            // The promise waits in the page; nothing is asked again and again.
            let body = format!(
                "return new Promise((done) => {{ const look = () => ({expression}) ? done(true) : \
                 setTimeout(look, 20); look(); }})"
            );
            while self.script(&body).await != json!(true) {}
        };
        within(expression, holds).await;
    }

    /// Types into the element that a CSS selector finds.
    pub async fn type_into(&self, selector: &str, text: &str) {
        let element = self.find(selector).await;
        let path = format!("/element/{element}/value");
        self.ask("POST", &path, &json!({ "text": text })).await;
    }

    pub async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        let path = format!("/element/{element}/click");
        self.ask("POST", &path, &json!({})).await;
    }

    async fn find(&self, selector: &str) -> String {
        let by = json!({ "using": "css selector", "value": selector });
        let element = self.ask("POST", "/element", &by).await;
        element[ELEMENT].as_str().unwrap().to_owned()
    }

    /// Presses a key wherever the focus is.
    pub async fn press(&self, key: char) {
        let key = key.to_string();
        let actions = json!({ "actions": [{ "type": "key", "id": "keys", "actions": [
            { "type": "keyDown", "value": key }, { "type": "keyUp", "value": key },
        ] }] });
        self.ask("POST", "/actions", &actions).await;
    }

    /// Anything of the browser's own protocol, such as the media that it pretends to be.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let command = json!({ "cmd": command, "params": parameters });
        self.ask("POST", "/goog/cdp/execute", &command).await
    }

    /// Pretends a medium and a theme, such as `screen` and `dark`.
    pub async fn pretend(&self, medium: &str, theme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": theme }]);
        let media = json!({ "media": medium, "features": features });
        self.devtools("Emulation.setEmulatedMedia", media).await;
    }

    pub async fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", size)
            .await;
    }

    /// What the browser complained of since it was asked last, such as a breach of the policy.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self
            .ask("POST", "/se/log", &json!({ "type": "browser" }))
            .await;
        let entries = log.as_array().unwrap().iter();
        let complaints = entries.filter(|entry| entry["level"] == "SEVERE");
        complaints
            .map(|entry| entry["message"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Keeps a picture of the window under the target folder.
    pub async fn picture(&self, name: &str) {
        let png = self.ask("GET", "/screenshot", &Value::Null).await;
        let png = STANDARD.decode(png.as_str().unwrap()).unwrap();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../browser");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), png).unwrap();
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let path = format!("{}{path}", self.session);
        self.send(method, &path, body).await
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> Value {
        let asked = async {
            let mut stream = TcpStream::connect(&self.address).await.unwrap();
            let body = if body.is_null() {
                String::new()
            } else {
                body.to_string()
            };
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                self.address,
                body.len()
            );
            AsyncWriteExt::write_all(&mut stream, request.as_bytes())
                .await
                .unwrap();
            // The driver may keep the connection, so its length says where the answer ends.
            let mut stream = BufReader::new(stream);
            let (mut head, mut length) = (String::new(), 0);
            while !head.ends_with("\r\n\r\n") {
                let begun = head.len();
                assert!(stream.read_line(&mut head).await.unwrap() > 0, "no answer");
                let line = head[begun..].to_lowercase();
                if let Some(said) = line.strip_prefix("content-length:") {
                    length = said.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.unwrap();
            (head, String::from_utf8(body).unwrap())
        };
        let (head, body) = within(path, asked).await;
        let mut body: Value = serde_json::from_str(&body).unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{method} {path}: {body}");
        body["value"].take()
    }
}

/// A driver that is only killed would leave its browser behind, also where a test failed.
impl Drop for Browser {
    fn drop(&mut self) {
        let request = format!(
            "DELETE {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.session, self.address
        );
        if let Ok(mut stream) = std::net::TcpStream::connect(&self.address) {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            let _ = stream.write_all(request.as_bytes());
            // It answers when the browser has ended.
            let _ = stream.read(&mut [0; 64]);
        }
    }
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}
