//! SPIFFE ids, `spiffe://TRUST-DOMAIN/PATH`, read strictly: two spellings must never be one caller.

/// Bytes of an id (SPIFFE ID specification, section 2.3).
const ID_BYTES_MAX: usize = 2048;
/// Bytes of a trust domain (section 2.1).
const TRUST_DOMAIN_BYTES_MAX: usize = 255;

/// The trust domain of a well-formed id that names a workload.
pub(super) fn trust_domain(id: &str) -> Option<&str> {
    let (domain, path) = id.strip_prefix("spiffe://")?.split_once('/')?;
    let is_domain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    let is_path = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let is_segment = |segment: &str| !["", ".", ".."].contains(&segment) && segment.bytes().all(is_path);
    let is_good = id.len() <= ID_BYTES_MAX
        && (1..=TRUST_DOMAIN_BYTES_MAX).contains(&domain.len())
        && domain.bytes().all(is_domain)
        && path.split('/').all(is_segment);
    is_good.then_some(domain)
}

#[cfg(test)]
mod tests {
    use super::trust_domain;

    #[test]
    fn only_the_normal_form_of_an_id_is_taken() {
        assert_eq!(trust_domain("spiffe://prod.example/ns/iam/sa/console"), Some("prod.example"));
        for wrong in [
            "",
            "prod.example/ns",
            "SPIFFE://prod.example/a",
            "spiffe://prod.example",
            "spiffe://prod.example/",
            "spiffe:///a",
            "spiffe://Prod.example/a",
            "spiffe://prod.example:443/a",
            "spiffe://user@prod.example/a",
            "spiffe://prod.example/a//b",
            "spiffe://prod.example/a/../b",
            "spiffe://prod.example/a?b",
            "spiffe://prod.example/a#b",
            "spiffe://prod.example/%61",
            "spiffe://prod.example/a b",
            &format!("spiffe://prod.example/{}", "a".repeat(2048)),
        ] {
            assert_eq!(trust_domain(wrong), None, "{wrong}");
        }
    }
}
