//! The fake's own certificate authority, and a server certificate from it.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// What a client trusts, and what the server proves itself with.
pub(crate) struct Tls {
    pub ca_pem: String,
    pub acceptor: TlsAcceptor,
}

impl Tls {
    /// `names` are DNS names and addresses. Panics on a name that no certificate can hold.
    pub fn new(names: Vec<String>) -> Self {
        let (ca_pem, issuer) = authority();
        let key = KeyPair::generate().expect("ring makes P-256 keys");
        let mut params = CertificateParams::new(names.clone())
            .unwrap_or_else(|error| panic!("a certificate cannot be for {names:?}: {error}"));
        params.distinguished_name.push(DnType::CommonName, "fake-aws");
        let certificate = params.signed_by(&key, &issuer).expect("a key of ring's signs");
        let private = PrivateKeyDer::try_from(key.serialize_der()).expect("rcgen writes PKCS#8");
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()
            .expect("ring offers TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(certificate.der().to_vec())], private)
            .expect("the certificate is for this key");
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { ca_pem, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }
}

/// With the key exchange that AWS's endpoints choose first, where this processor can do it.
fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    if graviola::util::is_cpu_supported() {
        provider.kx_groups.insert(0, rustls_graviola::kx::X25519MLKEM768);
    }
    provider
}

fn authority() -> (String, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().expect("ring makes P-256 keys");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, "fake-aws test authority");
    let certificate = params.self_signed(&key).expect("a key of ring's signs");
    (certificate.pem(), Issuer::new(params, key))
}
