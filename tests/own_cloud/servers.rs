//! A server with TLS, and a proxy.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{ServerConfig, SupportedProtocolVersion, version};

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 8\r\nconnection: close\r\n\r\n{\"d\":[]}";

type Heads = Arc<Mutex<Vec<String>>>;

/// The cloud. Ends with the test.
pub(crate) struct Tls {
    pub(crate) port: u16,
    heads: Heads,
    knocks: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

/// A proxy that leads everything to one port of this machine. Ends with the test.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    heads: Heads,
    _task: JoinSet<()>,
}

impl Tls {
    pub(crate) async fn start() -> Self {
        Self::with("server", "server", &version::TLS13).await
    }

    /// With the certificate and the key of these names, which need not belong together.
    pub(crate) async fn with(
        certificate: &str,
        key: &str,
        version: &'static SupportedProtocolVersion,
    ) -> Self {
        let certificate =
            CertificateDer::from_pem_slice(&super::file(&format!("{certificate}.pem"))).unwrap();
        let key = PrivateKeyDer::from_pem_slice(&super::file(&format!("{key}.key"))).unwrap();
        let key = ring::sign::any_supported_type(&key).unwrap();
        let certified = SingleCertAndKey::from(CertifiedKey::new(vec![certificate], key));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(certified));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let heads = Heads::default();
        let knocks = Arc::<AtomicUsize>::default();
        let knocks_too = knocks.clone();
        let (port, task) = serve(heads.clone(), move |stream, heads| {
            let acceptor = acceptor.clone();
            knocks_too.fetch_add(1, Ordering::Relaxed);
            async move {
                // Who does not trust the certificate goes away.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let head = head(&mut stream).await;
                heads.lock().unwrap().push(head);
                answer(&mut stream, ANSWER).await;
            }
        })
        .await;
        Self { port, heads, knocks, _task: task }
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// How many connections there were.
    pub(crate) fn knocks(&self) -> usize {
        self.knocks.load(Ordering::Relaxed)
    }
}

impl Proxy {
    pub(crate) async fn start(target: u16) -> Self {
        Self::with(Some(target)).await
    }

    /// Lets nobody through.
    pub(crate) async fn refusing() -> Self {
        Self::with(None).await
    }

    async fn with(target: Option<u16>) -> Self {
        let heads = Heads::default();
        let (port, task) = serve(heads.clone(), move |mut stream, heads| async move {
            let head = head(&mut stream).await;
            let tunnels = head.starts_with("CONNECT ");
            heads.lock().unwrap().push(head);
            let Some(target) = target else {
                return answer(&mut stream, b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n").await;
            };
            if !tunnels {
                return answer(&mut stream, ANSWER).await;
            }
            let mut cloud = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            drop(copy_bidirectional(&mut stream, &mut cloud).await);
        })
        .await;
        Self { port, heads, _task: task }
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn serve<F>(heads: Heads, one: impl Fn(TcpStream, Heads) -> F + Send + 'static) -> (u16, JoinSet<()>)
where
    F: Future<Output = ()> + Send + 'static,
{
    // `localhost` is tried as ::1 first, where there is nobody.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.spawn(one(stream, heads.clone()));
        }
    });
    (port, task)
}

/// Everything before the body.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { break };
        bytes.push(byte);
    }
    String::from_utf8(bytes).unwrap()
}

async fn answer(stream: &mut (impl AsyncWrite + Unpin), answer: &[u8]) {
    stream.write_all(answer).await.unwrap();
    drop(stream.shutdown().await);
}
