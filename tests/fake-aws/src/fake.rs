//! The handle of a running fake: where it is, and how it is stopped. `data`, `behaviour` and
//! `watch` have the rest of its methods.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::runtime::{Handle, Runtime};

use crate::builder::Builder;
use crate::port::Port;
use crate::shared::Shared;
use crate::temp::TempDir;

/// A running fake. Clones are the same fake; it ends with the last of them.
#[derive(Clone)]
pub struct Fake(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub shared: Arc<Shared>,
    /// Taken out when the fake ends, to end it without waiting.
    runtime: Option<Runtime>,
    pub aws: Port,
    pub imds: Port,
    ca: Option<(String, PathBuf, TempDir)>,
}

pub(crate) struct Parts {
    pub shared: Arc<Shared>,
    pub runtime: Runtime,
    pub aws: Port,
    pub imds: Port,
    pub ca_pem: Option<String>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Fake {
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A fake with every default.
    pub fn start() -> Self {
        Builder::default().start()
    }

    pub(crate) fn new(parts: Parts) -> Self {
        let ca = parts.ca_pem.map(|pem| {
            let directory = TempDir::new();
            let path = directory.path().join("ca.pem");
            std::fs::write(&path, &pem)
                .unwrap_or_else(|error| panic!("fake-aws cannot write {}: {error}", path.display()));
            (pem, path, directory)
        });
        let Parts { shared, runtime, aws, imds, .. } = parts;
        Self(Arc::new(Inner { shared, runtime: Some(runtime), aws, imds, ca }))
    }

    pub(crate) fn runtime(&self) -> &Handle {
        self.0.runtime.as_ref().expect("the runtime is taken out by Drop alone").handle()
    }

    /// The variables with which a program finds the fake: endpoint, CA, IMDS.
    pub fn env(&self) -> Vec<(String, String)> {
        let mut env = vec![
            ("AWS_ENDPOINT_URL".to_owned(), self.endpoint_url()),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT".to_owned(), self.imds_url()),
        ];
        if let Some((_, path, _)) = &self.0.ca {
            env.push(("AWS_CA_BUNDLE".to_owned(), path.display().to_string()));
        }
        env
    }

    /// The variables of a container's credentials: full URI and token.
    pub fn container_env(&self) -> Vec<(String, String)> {
        let mut env = vec![("AWS_CONTAINER_CREDENTIALS_FULL_URI".to_owned(), self.container_url())];
        if let Some(token) = self.container_token() {
            env.push(("AWS_CONTAINER_AUTHORIZATION_TOKEN".to_owned(), token));
        }
        env
    }

    /// Of SSM and STS.
    pub fn endpoint_url(&self) -> String {
        let scheme = if self.0.ca.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", reachable(self.0.aws.address()))
    }

    pub fn imds_url(&self) -> String {
        format!("http://{}", reachable(self.0.imds.address()))
    }

    pub fn endpoint_address(&self) -> SocketAddr {
        self.0.aws.address()
    }

    pub fn imds_address(&self) -> SocketAddr {
        self.0.imds.address()
    }

    pub fn container_url(&self) -> String {
        format!("{}{}", self.imds_url(), self.0.shared.container_path)
    }

    pub fn container_token(&self) -> Option<String> {
        self.0.shared.state().imds.container_token.clone()
    }

    /// A PEM file, as long as the fake lives. Panics without TLS, where there is no CA.
    pub fn ca_path(&self) -> &Path {
        let (_, path, _) = self.0.ca.as_ref().expect("the fake was started without TLS");
        path
    }

    pub fn ca_pem(&self) -> &str {
        let (pem, _, _) = self.0.ca.as_ref().expect("the fake was started without TLS");
        pem
    }

    /// Closes the port of SSM and STS and all its connections: refused from now on.
    pub fn down(&self) {
        self.0.aws.down();
    }

    /// Listens again, on the same port.
    pub fn up(&self) {
        up(&self.0.aws);
    }

    pub fn imds_down(&self) {
        self.0.imds.down();
    }

    pub fn imds_up(&self) {
        up(&self.0.imds);
    }
}

fn up(port: &Port) {
    port.up().unwrap_or_else(|error| panic!("fake-aws cannot listen on {} again: {error}", port.address()));
}

/// An address that a client on this machine can use, where the listener takes all.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => ([127, 0, 0, 1], v4.port()).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => ([0_u16, 0, 0, 0, 0, 0, 0, 1], v6.port()).into(),
        other => other,
    }
}
