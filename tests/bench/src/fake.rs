//! The fake AWS as a process, so that its work is not counted as the tools'; driven through its control API.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::process::spawn_apart;

pub const KEY: &str = "AKIABENCH";
pub const SECRET: &str = "secret/of+the/benchmark";

/// The running fake. It ends with this.
pub struct Fake {
    child: Child,
    pub service: String,
    pub imds: String,
    /// Through it, every host is the fake.
    pub proxy: String,
    pub ca: String,
    control: String,
}

/// What a run asked of it.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub connections: u64,
    pub calls: u64,
}

impl Fake {
    /// `/bench/N/kI` for every size N.
    pub fn start(binary: &Path, directory: &Path, sizes: &[usize]) -> Fake {
        let parameter = |size: usize, at: usize| json!({ "name": format!("/bench/{size}/k{at}"), "value": format!("value-{at}-{}", "x".repeat(40)), "type": "SecureString" });
        let parameters: Vec<Value> =
            sizes.iter().flat_map(|&size| (0..size).map(move |at| parameter(size, at))).collect();
        let keys = json!([{ "access_key_id": KEY, "secret_access_key": SECRET, "role": "bench" }]);
        let config = json!({ "parameters": parameters, "static_credentials": keys });
        let path = directory.join("fake.json");
        std::fs::write(&path, config.to_string()).expect("the directory is ours");
        let mut command = Command::new(binary);
        command.arg("--config").arg(path).stdout(Stdio::piped());
        // As if the server were elsewhere. With all processors to choose from, the kernel now and then let the fake and a tool
        // take turns on one: then no tool gains by what it does while it waits.
        let mut child = spawn_apart(&mut command).expect("the script has built the fake");
        let mut ready = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut ready).expect("the fake says where it is");
        let ready: Value = serde_json::from_str(&ready).expect("the fake speaks JSON");
        let text = |key: &str| ready[key].as_str().expect("the fake says everything").to_owned();
        let (service, imds, control, ca) = (text("endpoint_url"), text("imds_url"), text("control_url"), text("ca"));
        Fake { child, service, imds, proxy: text("proxy_url"), ca, control }
    }

    /// Slows every answer, and every connection, by so many milliseconds.
    pub fn delay(&self, answers: u64, connections: u64) {
        self.control("POST", "/delay", &json!({ "ms": answers, "connect_ms": connections }).to_string());
    }

    /// What happened since the last call.
    pub fn seen(&self, before: u64) -> Seen {
        // Not parsed: what this process needs at its peak is where each child's peak begins.
        let calls = self.control("GET", "/log", "").matches("\"service\":\"ssm\"").count() as u64;
        self.control("POST", "/clear-log", "");
        Seen { connections: self.accepted() - before, calls }
    }

    /// Connections so far, to Systems Manager only.
    pub fn accepted(&self) -> u64 {
        let counts: Value =
            serde_json::from_str(&self.control("GET", "/connections", "")).expect("the counts are JSON");
        counts["aws"]["accepted"].as_u64().expect("the fake counts")
    }

    pub fn clear(&self) {
        self.control("POST", "/clear-log", "");
    }

    fn control(&self, method: &str, path: &str, body: &str) -> String {
        plain(&self.control, method, path, &[], body)
    }

    /// The credentials of the instance's role, to sign with.
    pub fn role_credentials(&self) -> Value {
        let path = "/latest/meta-data/iam/security-credentials/";
        let ttl = ("X-aws-ec2-metadata-token-ttl-seconds", "600");
        let token = plain(&self.imds, "PUT", "/latest/api/token", &[ttl], "");
        let token = ("X-aws-ec2-metadata-token", token.as_str());
        let role = plain(&self.imds, "GET", path, &[token], "");
        let document = plain(&self.imds, "GET", &format!("{path}{role}"), &[token], "");
        serde_json::from_str(&document).expect("credentials are JSON")
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        // It holds nothing that would be lost.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Without the scheme.
pub fn address(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/')
}

fn plain(url: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut stream = TcpStream::connect(address(url)).expect("the fake listens");
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}");
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).expect("the fake reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the fake answers text");
    answer.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned())
}
