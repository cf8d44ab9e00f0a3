//! Files to upload.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use nix::libc::O_NONBLOCK;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use crate::error::{Error, ErrorKind, Result};
use crate::fs;
use crate::http::media_type;

/// A file to upload: bytes with a name, or a path.
///
/// ```
/// use balena_agent::UploadFile;
///
/// let notes = UploadFile::bytes("notes.txt", "as they are");
/// let firmware = UploadFile::path("/data/firmware.bin").content_type("application/x-firmware");
/// # let _ = (notes, firmware);
/// ```
#[derive(Debug, Clone)]
#[must_use = "it is sent by a request"]
pub struct UploadFile {
    name: Option<String>,
    content_type: Option<String>,
    content: Content,
}

#[derive(Clone)]
enum Content {
    Bytes(Bytes),
    Path(PathBuf),
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Path(path) => path.fmt(f),
        }
    }
}

impl UploadFile {
    /// Creates a file from bytes, with the file name to send.
    pub fn bytes(name: impl Into<String>, content: impl Into<Bytes>) -> Self {
        Self { name: Some(name.into()), content_type: None, content: Content::Bytes(content.into()) }
    }

    /// Creates a file from a path. A large file is read in pieces, never as a whole.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Self { name: None, content_type: None, content: Content::Path(path.into()) }
    }

    /// Sets the media type, e.g. `image/png`. Default: by the file name's extension.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// Opens the file, so that the upload always reads the same file.
    ///
    /// # Errors
    /// `is_io` if the file can't be opened; `is_invalid_argument` if it has no file name.
    pub(crate) async fn open(self, argument: &'static str) -> Result<OpenFile> {
        let own_name = match &self.content {
            Content::Path(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
            Content::Bytes(_) => None,
        };
        let name = self.name.or(own_name).filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Error::argument(argument, "it has no name"))?;
        let content_type = self.content_type.or_else(|| media_type(&name).map(str::to_owned));
        let source = match self.content {
            Content::Bytes(bytes) => Source::Bytes(bytes),
            Content::Path(path) => Source::opened(path).await?,
        };
        Ok(OpenFile { name, content_type, source })
    }
}

impl From<PathBuf> for UploadFile {
    fn from(path: PathBuf) -> Self {
        Self::path(path)
    }
}

impl From<&Path> for UploadFile {
    fn from(path: &Path) -> Self {
        path.to_path_buf().into()
    }
}

/// An open file being uploaded.
#[derive(Debug)]
pub(crate) struct OpenFile {
    pub(crate) name: String,
    pub(crate) content_type: Option<String>,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Bytes(Bytes),
    File { file: tokio::fs::File, path: PathBuf, state: State },
}

/// Length in bytes, and modification time.
type State = (u64, Option<SystemTime>);

async fn state(file: &tokio::fs::File) -> std::io::Result<State> {
    let metadata = file.metadata().await?;
    if metadata.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    Ok((metadata.len(), metadata.modified().ok()))
}

impl Source {
    async fn opened(path: PathBuf) -> Result<Self> {
        let opened = async {
            // Non-blocking, because opening a named pipe would wait for a writer.
            let file = tokio::fs::OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(&path).await?;
            let state = state(&file).await?;
            Ok((file, state))
        };
        let (file, state) = opened.await.map_err(|cause| unread(&path, cause))?;
        Ok(Self::File { file, path, state })
    }
}

fn unread(path: &Path, cause: std::io::Error) -> Error {
    let help = match cause.kind() {
        std::io::ErrorKind::NotFound => Some("there is no such file"),
        std::io::ErrorKind::PermissionDenied => Some("this user may not read it"),
        _ => None,
    };
    // A missing file is not a configuration error here.
    let error = fs::failed("read", path, cause).with_kind(ErrorKind::Io);
    match help {
        Some(help) => error.with_help(help),
        None => error,
    }
}

impl OpenFile {
    pub(crate) fn size(&self) -> u64 {
        match &self.source {
            Source::Bytes(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Source::File { state: (length, _), .. } => *length,
        }
    }

    /// Reads the whole file.
    ///
    /// # Errors
    /// `is_io` if the file was changed since it was opened.
    pub(crate) async fn whole(&mut self) -> Result<Bytes> {
        let content = self.piece(0, self.size()).await?;
        self.unchanged().await?;
        Ok(content)
    }

    /// Reads `length` bytes from the offset `start`.
    ///
    /// # Errors
    /// `is_io` if the file is shorter.
    pub(crate) async fn piece(&mut self, start: u64, length: u64) -> Result<Bytes> {
        match &mut self.source {
            Source::Bytes(bytes) => {
                let range = usize::try_from(start).ok().zip(usize::try_from(length).ok());
                let range = range.and_then(|(start, length)| Some(start..start.checked_add(length)?));
                let there = range.filter(|range| range.end <= bytes.len());
                there.map(|range| bytes.slice(range)).ok_or_else(changed)
            }
            Source::File { file, path, .. } => {
                let read = async {
                    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
                    file.seek(std::io::SeekFrom::Start(start)).await?;
                    file.read_exact(&mut bytes).await.map(|_| bytes)
                };
                match read.await {
                    Ok(bytes) => Ok(bytes.into()),
                    Err(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => {
                        Err(changed().with_operation(format!("read {}", path.display())))
                    }
                    Err(cause) => Err(unread(path, cause)),
                }
            }
        }
    }

    /// # Errors
    /// `is_io` if the file was changed since it was opened.
    pub(crate) async fn unchanged(&self) -> Result<()> {
        let Source::File { file, path, state: before } = &self.source else { return Ok(()) };
        let now = state(file).await.map_err(|cause| unread(path, cause))?;
        if now == *before {
            Ok(())
        } else {
            Err(changed().with_operation(format!("read {}", path.display())))
        }
    }
}

fn changed() -> Error {
    Error::new(ErrorKind::Io, "the file was changed while it was being sent")
        .with_help("send it again after the change")
}
