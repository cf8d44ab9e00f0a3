//! What a file is, by the end of its name.

/// Ends of names, and what such files are. Those that people put beside a release, or show as a logo.
const BY_END: [(&str, &str); 60] = [
    ("7z", "application/x-7z-compressed"),
    ("apk", "application/vnd.android.package-archive"),
    ("asc", "application/pgp-signature"),
    ("avif", "image/avif"),
    ("bin", "application/octet-stream"),
    ("bmp", "image/bmp"),
    ("bz2", "application/x-bzip2"),
    ("conf", "text/plain"),
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("deb", "application/octet-stream"),
    ("dll", "application/octet-stream"),
    ("doc", "application/msword"),
    ("exe", "application/octet-stream"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("ico", "image/vnd.microsoft.icon"),
    ("img", "application/octet-stream"),
    ("ini", "text/plain"),
    ("iso", "application/octet-stream"),
    ("jar", "application/java-archive"),
    ("jpe", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "application/javascript"),
    ("json", "application/json"),
    ("log", "text/plain"),
    ("map", "application/json"),
    ("markdown", "text/markdown"),
    ("md", "text/markdown"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("pdf", "application/pdf"),
    ("pkg", "application/octet-stream"),
    ("png", "image/png"),
    ("rar", "application/x-rar-compressed"),
    ("rpm", "application/x-redhat-package-manager"),
    ("rtf", "application/rtf"),
    ("sh", "application/x-sh"),
    ("sig", "application/pgp-signature"),
    ("so", "application/octet-stream"),
    ("svg", "image/svg+xml"),
    ("svgz", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("text", "text/plain"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("tsv", "text/tab-separated-values"),
    ("txt", "text/plain"),
    ("wasm", "application/wasm"),
    ("wav", "audio/wav"),
    ("webp", "image/webp"),
    ("xml", "application/xml"),
    ("yaml", "text/yaml"),
    ("yml", "text/yaml"),
    ("zip", "application/zip"),
];

/// `None` for what is not known by its name.
pub(crate) fn media_type(filename: &str) -> Option<&'static str> {
    let (_, end) = filename.rsplit_once('.')?;
    let end = end.to_ascii_lowercase();
    BY_END.iter().find(|(known, _)| *known == end).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_the_last_part_of_the_name() {
        for (name, expected) in [
            ("archive.tar.gz", Some("application/gzip")),
            ("Logo.PNG", Some("image/png")),
            ("favicon.ico", Some("image/vnd.microsoft.icon")),
            ("noextension", None),
            ("img.unknownext", None),
        ] {
            assert_eq!(media_type(name), expected, "{name}");
        }
    }
}
