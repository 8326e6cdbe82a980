//! Pages of a list and the opaque tokens between them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// One page.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// Present if there is more.
    pub(super) next_token: Option<String>,
}

/// Cuts a page of `size` out of items in their order. `cursor` names an item for the token; the next page is what comes
/// after it, so that items made or deleted between two pages disturb nothing.
pub(super) fn cut<T>(
    mut items: impl Iterator<Item = T>,
    size: usize,
    scope: &str,
    cursor: impl Fn(&T) -> String,
) -> Page<T> {
    let page: Vec<T> = items.by_ref().take(size).collect();
    let next_token = match (page.last(), items.next()) {
        (Some(last), Some(_)) => Some(seal(scope, &cursor(last))),
        _ => None,
    };
    Page { items: page, next_token }
}

/// A token for `cursor` that is valid for lists of `scope` only.
fn seal(scope: &str, cursor: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{scope}\n{cursor}"))
}

/// The cursor in a token, if it is one of ours for `scope`.
pub(super) fn open(scope: &str, token: &str) -> Option<String> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let (sealed_for, cursor) = text.split_once('\n')?;
    (sealed_for == scope).then(|| cursor.to_owned())
}
