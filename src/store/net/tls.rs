//! TLS, and the trust anchors: Mozilla's, which are compiled in (Amazon's are among them), unless others are named. When
//! none of the compiled-in ones has signed the server's certificate, as behind a proxy that inspects TLS, the system's are
//! tried as well, with a warning.

use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::store::net::error::HttpError;
use crate::store::net::no_proxy::bare;

/// The client side of TLS. All connections share one configuration, and with it its session cache.
pub struct Tls(TlsConnector);

impl Tls {
    /// With these trust anchors, or else with the compiled-in ones.
    pub fn new(anchors: Option<RootCertStore>) -> Self {
        let versions = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions();
        let builder = versions.expect("ring supports TLS 1.2 and 1.3");
        let builder = match anchors {
            Some(anchors) => builder.with_root_certificates(anchors),
            None => builder.dangerous().with_custom_certificate_verifier(Arc::new(FallbackVerifier::new())),
        };
        let mut config = builder.with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Tls(Arc::new(config).into())
    }

    /// Connects to this host over an open stream.
    pub async fn handshake(&self, host: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>, HttpError> {
        let name = ServerName::try_from(bare(host).to_owned());
        let name = name.map_err(|_| HttpError::Malformed("the host name".into()))?;
        self.0.connect(name, stream).await.map_err(|error| explain(host, &error))
    }
}

/// rustls's own verifier with the compiled-in roots, and, where these do not know the issuer, rustls's own verifier with
/// the system's. rustls takes one verifier for a connection, so this one asks the two in turn, and decides nothing itself. The
/// system's roots are read only when they are needed: they are some 450 files.
#[derive(Debug)]
struct FallbackVerifier {
    compiled_in: Arc<WebPkiServerVerifier>,
    system: OnceLock<Arc<WebPkiServerVerifier>>,
}

impl FallbackVerifier {
    fn new() -> Self {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        FallbackVerifier { compiled_in: verifier(roots), system: OnceLock::new() }
    }

    /// `None` where the system has no roots.
    fn system(&self, host: &ServerName<'_>) -> Option<&Arc<WebPkiServerVerifier>> {
        if let Some(known) = self.system.get() {
            return Some(known);
        }
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if added == 0 {
            return None;
        }
        let host = host.to_str();
        crate::log::warn(format_args!(
            "the certificate of {host} is signed by none of the compiled-in roots: trying the system's {added}"
        ));
        Some(self.system.get_or_init(|| verifier(roots)))
    }
}

/// There must be a root.
fn verifier(roots: RootCertStore) -> Arc<WebPkiServerVerifier> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    built.expect("it fails without a root, and both callers have some")
}

impl ServerCertVerifier for FallbackVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.compiled_in.verify_server_cert(end_entity, intermediates, host, ocsp, now);
        match verified {
            Err(rustls::Error::InvalidCertificate(why)) if is_unknown_issuer(&why) => match self.system(host) {
                Some(system) => system.verify_server_cert(end_entity, intermediates, host, ocsp, now),
                None => Err(why.into()),
            },
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.compiled_in.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.compiled_in.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.compiled_in.supported_verify_schemes()
    }
}

/// BadSignature too: an authority that has the name of a compiled-in one is found by that name, and then fails on the
/// signature.
fn is_unknown_issuer(why: &CertificateError) -> bool {
    matches!(why, CertificateError::UnknownIssuer | CertificateError::BadSignature)
}

fn explain(host: &str, error: &std::io::Error) -> HttpError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(why)) if is_unknown_issuer(why) => {
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
