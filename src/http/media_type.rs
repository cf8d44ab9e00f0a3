//! The media type of a file, by the extension of its name.

/// Extensions and their media types: those of files that are attached to releases or used as logos.
const BY_END: [(&str, &str); 114] = [
    ("7z", "application/x-7z-compressed"),
    ("apk", "application/vnd.android.package-archive"),
    ("asc", "application/pgp-signature"),
    ("avif", "image/avif"),
    ("bin", "application/octet-stream"),
    ("bmp", "image/bmp"),
    ("bz2", "application/x-bzip2"),
    ("c", "text/x-c"),
    ("cer", "application/pkix-cert"),
    ("cjs", "application/node"),
    ("conf", "text/plain"),
    ("cpp", "text/x-c"),
    ("crt", "application/x-x509-ca-cert"),
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("deb", "application/octet-stream"),
    ("def", "text/plain"),
    ("der", "application/x-x509-ca-cert"),
    ("dist", "application/octet-stream"),
    ("dll", "application/octet-stream"),
    ("dmg", "application/octet-stream"),
    ("dms", "application/octet-stream"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("dump", "application/octet-stream"),
    ("exe", "application/octet-stream"),
    ("geojson", "application/geo+json"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("h", "text/x-c"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("ico", "image/vnd.microsoft.icon"),
    ("ics", "text/calendar"),
    ("img", "application/octet-stream"),
    ("in", "text/plain"),
    ("ini", "text/plain"),
    ("iso", "application/octet-stream"),
    ("jar", "application/java-archive"),
    ("jpe", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "application/javascript"),
    ("json", "application/json"),
    ("json5", "application/json5"),
    ("jsonld", "application/ld+json"),
    ("list", "text/plain"),
    ("log", "text/plain"),
    ("lua", "text/x-lua"),
    ("m4a", "audio/mp4"),
    ("map", "application/json"),
    ("markdown", "text/markdown"),
    ("md", "text/markdown"),
    ("mjs", "application/javascript"),
    ("mkv", "video/x-matroska"),
    ("mov", "video/quicktime"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("mpeg", "video/mpeg"),
    ("mpg", "video/mpeg"),
    ("msi", "application/octet-stream"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("ogg", "audio/ogg"),
    ("otf", "font/otf"),
    ("p12", "application/x-pkcs12"),
    ("pdf", "application/pdf"),
    ("pem", "application/x-x509-ca-cert"),
    ("pfx", "application/x-pkcs12"),
    ("php", "application/x-httpd-php"),
    ("pkg", "application/octet-stream"),
    ("pl", "application/x-perl"),
    ("png", "image/png"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("ps", "application/postscript"),
    ("rar", "application/vnd.rar"),
    ("rpm", "application/x-redhat-package-manager"),
    ("rtf", "application/rtf"),
    ("sass", "text/x-sass"),
    ("scss", "text/x-scss"),
    ("sh", "application/x-sh"),
    ("sig", "application/pgp-signature"),
    ("so", "application/octet-stream"),
    ("sql", "application/x-sql"),
    ("stl", "model/stl"),
    ("svg", "image/svg+xml"),
    ("svgz", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("text", "text/plain"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("toml", "application/toml"),
    ("ts", "video/mp2t"),
    ("tsv", "text/tab-separated-values"),
    ("ttf", "font/ttf"),
    ("txt", "text/plain"),
    ("vtt", "text/vtt"),
    ("war", "application/java-archive"),
    ("wasm", "application/wasm"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("xhtml", "application/xhtml+xml"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("xml", "application/xml"),
    ("xsl", "application/xml"),
    ("xz", "application/x-xz"),
    ("yaml", "text/yaml"),
    ("yml", "text/yaml"),
    ("zip", "application/zip"),
];

/// Returns the media type; `None` for an unknown extension.
pub(crate) fn media_type(filename: &str) -> Option<&'static str> {
    let (_, end) = filename.rsplit_once('.')?;
    let end = end.to_ascii_lowercase();
    BY_END.iter().find(|(known, _)| *known == end).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_is_there_once() {
        assert!(BY_END.is_sorted_by(|(left, _), (right, _)| left < right));
    }

    #[test]
    fn by_the_last_part_of_the_name() {
        for (name, expected) in [
            ("archive.tar.gz", Some("application/gzip")),
            ("Logo.PNG", Some("image/png")),
            ("font.woff2", Some("font/woff2")),
            ("rootfs.tar.xz", Some("application/x-xz")),
            ("favicon.ico", Some("image/vnd.microsoft.icon")),
            ("noextension", None),
            ("img.unknownext", None),
        ] {
            assert_eq!(media_type(name), expected, "{name}");
        }
    }
}
