//! Who may do what. A [`Permit`] is made here and nowhere else, and no AWS call can be made without one.

use crate::{domain::Subject, identity::Caller};

/// Leave to make one AWS call.
#[derive(Debug)]
#[must_use]
pub struct Permit(());

/// No leave, and why. The text is for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial(&'static str);

impl std::fmt::Display for Denial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// The rules in force.
#[derive(Clone, Copy, Debug, Default)]
pub enum Policy {
    /// Nothing is allowed.
    #[default]
    Nothing,
    /// Everything is allowed: for the sandbox and for tests against AWS stand-ins.
    EverythingForTestPurposesOnly,
}

impl Policy {
    /// Judges a call that is identified and parsed.
    ///
    /// # Errors
    /// When the rules do not allow it.
    pub fn authorize(&self, _: &Caller, _: &Subject<'_>) -> Result<Permit, Denial> {
        match self {
            Self::Nothing => Err(Denial("no policy allows it")),
            Self::EverythingForTestPurposesOnly => Ok(Permit(())),
        }
    }
}
