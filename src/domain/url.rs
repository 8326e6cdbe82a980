//! The one reading of a URL in a provider's details.
//!
//! AWS fetches some of these URLs and users' browsers are sent to others; policy judges their hosts. So a URL
//! whose host two parsers could read differently is refused instead of interpreted.

use url::Url;

/// Whether a byte may be in a URL. RFC 3986 needs no other character; WHATWG parsers drop tabs and line breaks and turn `\`
/// into `/`. A table, since every byte of every URL is asked about.
static LEGIBLE: [bool; 128] = {
    let mut table = [false; 128];
    let mut byte = b'!';
    while byte <= b'~' {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
        {
            table[byte as usize] = !matches!(byte, b'\\' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}');
        }
        byte += 1;
    }
    table
};

/// Reads an https URL and answers its host, lower-case and without a trailing dot.
pub(super) fn https_host(text: &str) -> Result<String, String> {
    let Some(rest) = text.strip_prefix("https://") else {
        return Err("must be a URL that begins with https://".to_owned());
    };
    if !text.bytes().all(|byte| LEGIBLE.get(usize::from(byte)) == Some(&true)) {
        return Err(
            "must be a URL of visible ASCII characters; percent-encode others, write hosts in punycode".to_owned()
        );
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("must be a URL without user name and password".to_owned());
    }
    if is_plain(authority) {
        return Ok(authority.to_owned());
    }
    let url = Url::parse(text).map_err(|why| format!("must be a URL: {why}"))?;
    let host = url.host_str().unwrap_or_default();
    let written = match authority.rsplit_once(':') {
        Some((before, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => before,
        _ => authority,
    };
    if host.is_empty() || !written.eq_ignore_ascii_case(host) {
        return Err("must be a URL whose host is written in its plain form".to_owned());
    }
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    if host.is_empty() { Err("must be a URL with a host".to_owned()) } else { Ok(host) }
}

/// Whether a host is one that every parser reads as it is written, so that none has to be asked: lower-case labels of letters,
/// digits and hyphens, none of them punycode, the last one beginning with a letter, so that it is no IPv4 address.
fn is_plain(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with("xn--")
    };
    host.split('.').all(is_label)
        && host.rsplit('.').next().is_some_and(|last| last.starts_with(|letter: char| letter.is_ascii_lowercase()))
}

/// Whether a text of unknown meaning begins like a URL of any scheme.
pub(super) fn looks_like_one(text: &str) -> bool {
    let scheme = text.trim_start().split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| {
        scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::{https_host, is_plain};

    #[test]
    fn a_plain_host_is_what_a_parser_reads() {
        let parts =
            ["", "a", "0", "0x7f", "xn--", "xn--bcher-kva", "-", "a-", "idp", "1a", "a1", "A", "é", "%61", ":", "_"];
        let mut plain = 0;
        for length in 1..=3_u32 {
            for number in 0..parts.len().pow(length) {
                let parts = (0..length).map(|at| parts[number / parts.len().pow(at) % parts.len()]);
                let host = parts.collect::<Vec<_>>().join(".");
                if is_plain(&host) {
                    plain += 1;
                    for text in [format!("https://{host}"), format!("https://{host}/a%zz/..//b?c[]=d&e#f'(%")] {
                        assert_eq!(Url::parse(&text).unwrap().host_str(), Some(host.as_str()), "{text}");
                        assert_eq!(https_host(&text).as_ref(), Ok(&host), "{text}");
                    }
                }
            }
        }
        assert!(plain > 50, "{plain}");
    }

    #[test]
    fn a_url_has_the_characters_of_rfc_3986_and_no_other() {
        for byte in 0..=u8::MAX {
            let is_legible = byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
            let text = format!("https://idp.example/{}", char::from(byte));
            assert_eq!(https_host(&text).is_ok(), is_legible, "{text:?}");
        }
    }

    #[test]
    fn hosts_are_lower_case_and_without_a_trailing_dot() {
        for (text, host) in [
            ("https://idp.example", "idp.example"),
            ("https://IDP.Example:443/a?b=c#d", "idp.example"),
            ("https://idp.example./.well-known", "idp.example"),
            ("https://[2001:db8::1]:8443/", "[2001:db8::1]"),
            ("https://xn--bcher-kva.example/", "xn--bcher-kva.example"),
        ] {
            assert_eq!(https_host(text).as_deref(), Ok(host), "{text}");
        }
    }

    #[test]
    fn a_url_that_two_parsers_could_read_differently_is_refused() {
        for text in [
            "",
            "idp.example",
            "http://idp.example",
            "HTTPS://idp.example",
            "https:idp.example",
            "https:/idp.example",
            "https://",
            "https://.",
            "https:///path",
            "https://good.example@evil.example",
            "https://user:pw@idp.example",
            "https://good.example\\@evil.example",
            "https://good.example\t.evil.example",
            " https://idp.example",
            "https://idp.example\n",
            "https://bücher.example",
            "https://evil%2eexample",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://127.1",
            "https://idp.example:99999",
            "https://idp.example:x",
            "https://[::1",
        ] {
            assert!(https_host(text).is_err(), "taken: {text:?}");
        }
    }
}
