//! TLS, and the trust anchors: Mozilla's, which are compiled in (Amazon's are among them), unless others are named. When
//! none of the compiled-in ones has signed the server's certificate, as behind a proxy that inspects TLS, the system's are
//! tried as well, with a warning. docs/tls.md judges the cryptography under it.

use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, NamedGroup, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::setting::KeyExchange;
use crate::store::net::error::HttpError;
use crate::store::net::hello::{Hello, Watched};
use crate::store::net::no_proxy::bare;

/// The client side of TLS. All connections share one configuration, and with it its session cache.
pub struct Tls {
    connector: TlsConnector,
    verifier: Arc<dyn ServerCertVerifier>,
    provider: Arc<CryptoProvider>,
}

impl Tls {
    /// With these trust anchors, or else with the compiled-in ones.
    pub fn new(anchors: Option<RootCertStore>, key_exchange: KeyExchange) -> Self {
        let provider = Arc::new(provider(key_exchange));
        let verifier: Arc<dyn ServerCertVerifier> = match anchors {
            Some(anchors) => verifier(anchors, provider.clone()),
            None => Arc::new(FallbackVerifier::new(provider.clone())),
        };
        Tls { connector: connector(provider.clone(), verifier.clone()), verifier, provider }
    }

    /// Connects to this host over an open stream. Of the first flight it takes note in `hello`.
    pub async fn handshake(
        &self,
        host: &str,
        stream: TcpStream,
        hello: &Hello,
    ) -> Result<TlsStream<Watched>, HttpError> {
        let name = ServerName::try_from(bare(host).to_owned());
        let name = name.map_err(|_| HttpError::Malformed("the host name".into()))?;
        let connected = self.connector.connect(name, Watched::new(stream, hello.clone())).await;
        let stream = connected.map_err(|error| explain(host, &error))?;
        if let Some(group) = stream.get_ref().1.negotiated_key_exchange_group() {
            crate::log::debug(format_args!("TLS with {host}: keys by {:?}", group.name()));
        }
        Ok(stream)
    }

    /// The same without a post-quantum key share; `None` when this one offers none either.
    pub fn classical(&self) -> Option<Self> {
        let is_hybrid = self.provider.kx_groups.iter().any(|group| is_post_quantum(group.name()));
        is_hybrid.then(|| {
            let (provider, verifier) =
                (Arc::new(without_post_quantum((*self.provider).clone())), self.verifier.clone());
            Tls { connector: connector(provider.clone(), verifier.clone()), verifier, provider }
        })
    }
}

fn connector(provider: Arc<CryptoProvider>, verifier: Arc<dyn ServerCertVerifier>) -> TlsConnector {
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.expect("ring supports TLS 1.2 and 1.3");
    let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config).into()
}

/// ring, with X25519MLKEM768 of graviola before its own key exchanges, where the processor has what graviola's code needs:
/// graviola would end the process on another. Certificates, signatures and the encryption of what is sent stay with ring, so
/// that the younger of the two cannot decide whom we trust (docs/tls.md).
fn provider(key_exchange: KeyExchange) -> CryptoProvider {
    let mut provider = rustls::crypto::ring::default_provider();
    match key_exchange {
        KeyExchange::Classical => {
            crate::log::debug(format_args!("no post-quantum key exchange: STEPZERO_KEY_EXCHANGE"));
        }
        KeyExchange::Hybrid if is_enough_for_graviola() => {
            provider.kx_groups.insert(0, rustls_graviola::kx::X25519MLKEM768);
        }
        KeyExchange::Hybrid => crate::log::debug(format_args!(
            "no post-quantum key exchange: this processor lacks one of {NEEDED_BY_GRAVIOLA}"
        )),
    }
    provider
}

fn without_post_quantum(mut provider: CryptoProvider) -> CryptoProvider {
    provider.kx_groups.retain(|group| !is_post_quantum(group.name()));
    provider
}

fn is_post_quantum(group: NamedGroup) -> bool {
    matches!(group, NamedGroup::X25519MLKEM768)
}

#[cfg(target_arch = "x86_64")]
const NEEDED_BY_GRAVIOLA: &str = "adx, aes, avx, avx2, bmi1, bmi2, pclmulqdq";
#[cfg(not(target_arch = "x86_64"))]
const NEEDED_BY_GRAVIOLA: &str = "aes, neon, pmull, sha2";

/// What graviola asserts at each of its functions, and BMI2, which its documentation names and its code uses, but does not look
/// for. The standard library asks the processor once and remembers: in a virtual machine every CPUID is a trap.
fn is_enough_for_graviola() -> bool {
    #[cfg(target_arch = "x86_64")]
    let has_the_rest = std::arch::is_x86_feature_detected!("bmi2");
    #[cfg(not(target_arch = "x86_64"))]
    let has_the_rest = true;
    graviola::util::is_cpu_supported() && has_the_rest
}

/// rustls's own verifier with the compiled-in roots, and, where these do not know the issuer, rustls's own verifier with
/// the system's. rustls takes one verifier for a connection, so this one asks the two in turn, and decides nothing itself. The
/// system's roots are read only when they are needed: they are some 450 files.
#[derive(Debug)]
struct FallbackVerifier {
    compiled_in: Arc<WebPkiServerVerifier>,
    system: OnceLock<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl FallbackVerifier {
    fn new(provider: Arc<CryptoProvider>) -> Self {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        FallbackVerifier { compiled_in: verifier(roots, provider.clone()), system: OnceLock::new(), provider }
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
        Some(self.system.get_or_init(|| verifier(roots, self.provider.clone())))
    }
}

/// There must be a root.
fn verifier(roots: RootCertStore, provider: Arc<CryptoProvider>) -> Arc<WebPkiServerVerifier> {
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    built.expect("it fails without a root, and all callers have some")
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
