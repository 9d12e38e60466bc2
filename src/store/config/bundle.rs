//! The files of certificates that `AWS_CA_BUNDLE`, a profile's `ca_bundle` or `SSL_CERT_FILE` names: trust anchors in the
//! place of those that are compiled in.

use std::path::PathBuf;
use std::time::Instant;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::error::{Exit, Failure, printable};
use crate::store::config::files;

/// A file of certificates, and the variable or the key of a profile that names it.
pub struct Bundle {
    pub named_by: &'static str,
    pub path: PathBuf,
}

impl Bundle {
    /// CONFIG when it cannot be read by the deadline, or holds no certificate.
    pub fn read(&self, deadline: Instant) -> Result<RootCertStore, Failure> {
        let wrong = |why: String| {
            let path = printable(&self.path.to_string_lossy());
            Failure::new(Exit::Config, format!("{}: {path}: {why}", self.named_by))
                .help("name a PEM file of certificates, or unset it")
        };
        let pem = files::read(&self.path, deadline);
        let pem = pem.map_err(|error| wrong(format!("cannot be read: {}", files::why(&error))))?;
        let mut anchors = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| wrong(format!("is not PEM: {error}")))?;
            // A bundle can hold certificates that rustls does not know how to read; the others still count.
            let _ = anchors.add(certificate);
        }
        if anchors.is_empty() { Err(wrong("holds no certificate".into())) } else { Ok(anchors) }
    }
}
