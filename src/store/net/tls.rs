//! Whom we trust: the roots that are compiled in (Mozilla's, Amazon's among them), unless `AWS_CA_BUNDLE` or else
//! `SSL_CERT_FILE` names other ones, which then replace them. When nobody of the compiled-in roots has signed the
//! server's certificate, as behind a proxy that inspects TLS, the system's store gets one try, with a warning.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, CipherSuite, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::{Exit, Failure, io_text, printable};
use crate::store::net::error::HttpError;

/// The TLS side of the connector. The configuration (with its session cache) is made once, and shared by all connections.
pub struct Tls {
    whom: Mutex<Whom>,
}

/// Whom we trust.
enum Whom {
    /// Those of the bundle, which has not been read yet, or those that are compiled in.
    Said(Option<Bundle>),
    Known(Result<Trust, Failure>),
}

/// A file of certificates, opened before there are connections, which can take the last descriptors.
pub struct Bundle {
    /// Who names it.
    variable: &'static str,
    path: PathBuf,
    file: io::Result<File>,
}

impl Bundle {
    pub fn open(variable: &'static str, path: PathBuf) -> Self {
        Bundle { variable, file: File::open(&path), path }
    }
}

/// Whom a handshake trusts.
#[derive(Clone)]
pub struct Trust {
    config: Arc<ClientConfig>,
    source: Source,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    CompiledIn,
    /// By a variable.
    Named,
    System,
}

impl Tls {
    /// The bundle is not read yet.
    pub fn new(bundle: Option<Bundle>) -> Self {
        Tls { whom: Mutex::new(Whom::Said(bundle)) }
    }

    /// Whom to trust now. CONFIG when the bundle holds no certificate.
    pub fn trust(&self) -> Result<Trust, Failure> {
        let mut whom = self.whom.lock().unwrap_or_else(PoisonError::into_inner);
        let known = match &mut *whom {
            Whom::Known(known) => return known.clone(),
            Whom::Said(bundle) => settle(bundle.take()),
        };
        *whom = Whom::Known(known.clone());
        known
    }

    pub async fn handshake(
        &self,
        trust: &Trust,
        host: &str,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, HttpError> {
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(|_| HttpError::Malformed("the host name".into()))?;
        let connector = TlsConnector::from(trust.config.clone());
        connector.connect(name, stream).await.map_err(|error| explain(host, &error))
    }

    /// After an unknown issuer: the system's trust store, once. `false` when there is nothing left to try.
    pub fn fall_back(&self, from: &Trust, host: &str) -> bool {
        let mut whom = self.whom.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(&*whom, Whom::Known(Ok(now)) if now.source != from.source) {
            // Another connection has switched in the meantime.
            return true;
        }
        if from.source != Source::CompiledIn {
            return false;
        }
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if added == 0 {
            return false;
        }
        crate::log::warn(format_args!(
            "the certificate of {host} is signed by none of the compiled-in roots: trying the system's {added}"
        ));
        *whom = Whom::Known(Ok(Trust { config: config(roots), source: Source::System }));
        true
    }
}

fn settle(bundle: Option<Bundle>) -> Result<Trust, Failure> {
    let (roots, source) = match bundle {
        Some(bundle) => (named_roots(bundle)?, Source::Named),
        None => (RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }, Source::CompiledIn),
    };
    Ok(Trust { config: config(roots), source })
}

/// Reads and closes the bundle.
fn named_roots(bundle: Bundle) -> Result<RootCertStore, Failure> {
    let shown = printable(&bundle.path.to_string_lossy());
    let wrong = |why: String| {
        Failure::new(Exit::Config, format!("{}: {shown}: {why}", bundle.variable))
            .help("name a PEM file of certificates, or unset it")
    };
    let mut roots = RootCertStore::empty();
    let file = bundle.file.map_err(|error| wrong(format!("cannot be read: {}", io_text(&error))))?;
    for certificate in CertificateDer::pem_reader_iter(file) {
        let certificate = certificate.map_err(|error| wrong(format!("is not PEM: {error}")))?;
        // A bundle can hold roots that this parser does not know; the others still count.
        let _ = roots.add(certificate);
    }
    if roots.is_empty() { Err(wrong("holds no certificate".into())) } else { Ok(roots) }
}

fn config(roots: RootCertStore) -> Arc<ClientConfig> {
    let provider = Arc::new(provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    // It fails without a root, and every caller has some.
    let verifier = Remembering { verifier: verifier.expect("there are roots"), accepted: Mutex::default() };
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    // The provider is ring's own, which has cipher suites of both versions.
    let builder = versions.expect("ring supports TLS 1.2 and 1.3").dangerous();
    let mut config = builder.with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

/// AES-128 first in TLS 1.3, as browsers have it: with AES-256 the key schedule is SHA-384, for which most processors have no
/// instructions.
fn provider() -> CryptoProvider {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    provider
}

/// Checks certificates as rustls does, each chain once: all connections to a place are shown the same one within
/// seconds. That the server has the key of it is proved in every handshake.
#[derive(Debug)]
struct Remembering {
    verifier: Arc<WebPkiServerVerifier>,
    accepted: Mutex<Option<Accepted>>,
}

/// A chain that was found good, and for which host.
#[derive(Debug, PartialEq)]
struct Accepted {
    host: ServerName<'static>,
    chain: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Remembering {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(end_entity).chain(intermediates).map(|one| one.clone().into_owned()).collect();
        let shown = Some(Accepted { host: host.to_owned(), chain });
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        if *accepted != shown {
            self.verifier.verify_server_cert(end_entity, intermediates, host, ocsp, now)?;
            *accepted = shown;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

fn explain(host: &str, error: &std::io::Error) -> HttpError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
            HttpError::UnknownIssuer(host.to_owned())
        }
        // A machine that has just booted can have the wrong time for a while.
        Some(rustls::Error::InvalidCertificate(
            why @ (CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }),
        )) => HttpError::Tls(host.to_owned(), format!("its certificate: {why}; is this machine's clock right?")),
        Some(rustls::Error::InvalidCertificate(why)) => HttpError::WrongCertificate(host.to_owned(), why.to_string()),
        Some(why) => HttpError::Tls(host.to_owned(), why.to_string()),
        None => HttpError::Tls(host.to_owned(), error.kind().to_string()),
    }
}
