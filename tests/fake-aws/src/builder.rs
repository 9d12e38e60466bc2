//! The settings of a fake before it starts.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::call::{CONTAINER_PATH, Endpoint};
use crate::clock::Clock;
use crate::credentials::Credentials;
use crate::fake::{Fake, Parts};
use crate::fault::Faults;
use crate::imds::Imds;
use crate::keys::Keys;
use crate::port::{Port, Serve};
use crate::secrets::Secrets;
use crate::serve;
use crate::shared::Shared;
use crate::site::Site;
use crate::state::{Knobs, State};
use crate::store::Store;
use crate::tls::Tls;

/// Made by `Fake::builder`; every setting has a default that suits a test.
#[derive(Clone, Debug)]
pub struct Builder {
    tls: bool,
    region: String,
    account: String,
    role: Option<String>,
    container_role: String,
    container_token: Option<String>,
    listen: String,
    imds_listen: String,
    names: Vec<String>,
    hop_limit_exceeded: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            tls: true,
            region: "us-east-1".to_owned(),
            account: "123456789012".to_owned(),
            role: Some("projectA-production".to_owned()),
            container_role: "projectA-container".to_owned(),
            container_token: Some("container-token".to_owned()),
            listen: "127.0.0.1:0".to_owned(),
            imds_listen: "127.0.0.1:0".to_owned(),
            names: Vec::new(),
            hop_limit_exceeded: false,
        }
    }
}

impl Builder {
    /// Whether SSM and STS speak TLS (default) or plain HTTP.
    pub fn tls(mut self, tls: bool) -> Self {
        self.tls = tls;
        self
    }

    pub fn region(mut self, region: &str) -> Self {
        region.clone_into(&mut self.region);
        self
    }

    pub fn account(mut self, account: &str) -> Self {
        account.clone_into(&mut self.account);
        self
    }

    /// The instance's role; `None` is an instance without one.
    pub fn role<'a>(mut self, role: impl Into<Option<&'a str>>) -> Self {
        self.role = role.into().map(str::to_owned);
        self
    }

    /// The role behind the container endpoint.
    pub fn container_role(mut self, role: &str) -> Self {
        role.clone_into(&mut self.container_role);
        self
    }

    /// What `Authorization` has to be at the container endpoint; `None` takes anything.
    pub fn container_token<'a>(mut self, token: impl Into<Option<&'a str>>) -> Self {
        self.container_token = token.into().map(str::to_owned);
        self
    }

    /// The address of SSM and STS.
    pub fn listen(mut self, address: &str) -> Self {
        address.clone_into(&mut self.listen);
        self
    }

    /// The address of IMDS and of the container endpoint.
    pub fn imds_listen(mut self, address: &str) -> Self {
        address.clone_into(&mut self.imds_listen);
        self
    }

    /// One more name or address that the certificate is for.
    pub fn san(mut self, name: &str) -> Self {
        self.names.push(name.to_owned());
        self
    }

    /// IMDS never answers the token's request, as to a container one hop too far away.
    pub fn hop_limit_exceeded(mut self, exceeded: bool) -> Self {
        self.hop_limit_exceeded = exceeded;
        self
    }

    /// Starts the fake. Panics, with the reason, when it cannot listen.
    pub fn start(self) -> Fake {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("fake-aws")
            .enable_all()
            .build()
            .unwrap_or_else(|error| panic!("fake-aws cannot start its thread: {error}"));
        let tls = self.tls.then(|| Tls::new(self.certificate_names()));
        let (ca_pem, acceptor) = tls.map_or((None, None), |tls| (Some(tls.ca_pem), Some(tls.acceptor)));
        let container_path = format!("{CONTAINER_PATH}0f0f0f0f-0000-4000-8000-000000000000");
        let shared = Arc::new(Shared::new(self.state(), acceptor, container_path));
        let open = |endpoint, address: &str| {
            let serve = endpoint_serve(&shared, endpoint);
            Port::open(runtime.handle(), parse(address), serve)
                .unwrap_or_else(|error| panic!("fake-aws cannot listen on {address}: {error}"))
        };
        let aws = open(Endpoint::Aws, &self.listen);
        let imds = open(Endpoint::Imds, &self.imds_listen);
        Fake::new(Parts { shared, runtime, aws, imds, ca_pem })
    }

    fn certificate_names(&self) -> Vec<String> {
        let mut names: Vec<String> = ["127.0.0.1", "::1", "localhost"].map(str::to_owned).to_vec();
        for service in ["ssm", "sts", "secretsmanager"] {
            names.push(format!("{service}.{}.amazonaws.com", self.region));
        }
        let address = parse(&self.listen).ip();
        if !address.is_unspecified() && !address.is_loopback() {
            names.push(address.to_string());
        }
        names.extend(self.names.iter().cloned());
        names
    }

    fn state(&self) -> State {
        State {
            site: Site { region: self.region.clone(), account: self.account.clone() },
            clock: Clock::default(),
            store: Store::default(),
            secrets: Secrets::default(),
            keys: Keys::default(),
            credentials: Credentials::default(),
            policies: BTreeMap::new(),
            imds: Imds {
                role: self.role.clone(),
                hop_limit_exceeded: self.hop_limit_exceeded,
                lifetime: 6 * 3600,
                tokens: BTreeMap::new(),
                container_role: Some(self.container_role.clone()),
                container_token: self.container_token.clone(),
            },
            bucket: None,
            faults: Faults::default(),
            knobs: Knobs::default(),
        }
    }
}

fn endpoint_serve(shared: &Arc<Shared>, endpoint: Endpoint) -> Serve {
    let shared = Arc::clone(shared);
    Arc::new(move |stream, peer| Box::pin(serve::connection(Arc::clone(&shared), endpoint, stream, peer)))
}

pub(crate) fn parse(address: &str) -> SocketAddr {
    address.parse().unwrap_or_else(|error| panic!("{address} is no address and port: {error}"))
}
