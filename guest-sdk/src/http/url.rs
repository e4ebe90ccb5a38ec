//! A URL's three parts, as `wasi:http` wants them.
//!
//! Takes: an absolute URL. Gives: [`split`]. May name: error. The host checks what the parts say; this only cuts.

use super::Error;

/// Whether https, the authority, and path with query. A fragment is never sent.
pub(crate) fn split(url: &str) -> Result<(bool, &str, String), Error> {
    let invalid = |why: &str| Error::Invalid(format!("{why} in URL {url:?}"));
    if url.chars().any(|c| c.is_ascii_control() || c == ' ') {
        return Err(invalid("space or control character"));
    }
    let (scheme, rest) = url.split_once("://").ok_or_else(|| invalid("no scheme"))?;
    let https = match scheme.to_ascii_lowercase().as_str() {
        "https" => true,
        "http" => false,
        _ => return Err(invalid("a scheme other than http and https")),
    };
    let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
    let end = rest.find(['/', '?', '\\']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.is_empty() {
        return Err(invalid("no host"));
    }
    if authority.contains('@') {
        return Err(invalid("user information"));
    }
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok((https, authority, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(url: &str) -> Option<(bool, String, String)> {
        split(url).ok().map(|(https, authority, path)| (https, authority.to_owned(), path))
    }

    #[test]
    fn parts_are_cut_where_a_url_says() {
        let is = |https, authority: &str, path: &str| Some((https, authority.to_owned(), path.to_owned()));
        assert_eq!(parts("http://orders/orders/918?full=1#top"), is(false, "orders", "/orders/918?full=1"));
        assert_eq!(parts("HTTPS://Example.com:8443"), is(true, "Example.com:8443", "/"));
        assert_eq!(parts("https://example.com?q=a/b"), is(true, "example.com", "/?q=a/b"));
        assert_eq!(parts("http://[::1]:80/x"), is(false, "[::1]:80", "/x"));
    }

    #[test]
    fn what_could_mean_two_things_is_refused() {
        for url in ["/orders", "ftp://a/b", "http:///x", "http://a b/", "http://a\r\n/", "http://user@host/"]
        {
            assert!(matches!(split(url), Err(Error::Invalid(_))), "{url:?}");
        }
    }
}
