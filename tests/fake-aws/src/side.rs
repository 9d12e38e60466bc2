//! The fake's side doors: the recording proxy and the control API, opened when asked for.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::builder::parse;
use crate::control;
use crate::fake::Fake;
use crate::port::{Port, Serve};
use crate::proxy::Proxy;

impl Fake {
    /// Starts a recording proxy and returns its URL. Every host leads to this fake.
    pub fn proxy(&self) -> String {
        let proxy = Arc::new(Proxy {
            shared: Arc::clone(&self.0.shared),
            aws: self.endpoint_address(),
            imds: self.imds_address(),
            connections: AtomicU64::new(0),
        });
        self.open("127.0.0.1:0", Arc::new(move |stream, peer| Box::pin(Arc::clone(&proxy).serve(stream, peer))))
    }

    /// Starts the control API on an address and returns its URL.
    pub fn control(&self, address: &str) -> String {
        let fake = Arc::downgrade(&self.0);
        self.open(address, Arc::new(move |stream, _| Box::pin(control::serve(fake.clone(), stream))))
    }

    /// Listens for as long as the fake lives.
    fn open(&self, address: &str, serve: Serve) -> String {
        let port = Port::open(self.runtime(), parse(address), serve)
            .unwrap_or_else(|error| panic!("fake-aws cannot listen on {address}: {error}"));
        format!("http://{}", crate::fake::reachable(port.address()))
    }
}
