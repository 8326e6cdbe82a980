//! What is wrong with a request, all of it at once, in the words of the proto.

/// One mistake, at one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    field: String,
    description: String,
}

impl Violation {
    /// A mistake at `field`, written as in the proto (`provider_details["client_id"]`).
    ///
    /// INVARIANT: neither text holds a value of a detail; callers of this function name keys and rules only.
    pub fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self { field: field.into(), description: description.into() }
    }

    /// The field, written as in the proto.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What the rule is, for a person; lower case, without a full stop.
    pub fn description(&self) -> &str {
        &self.description
    }
}

/// Every mistake found in one request; empty while it is being read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// No mistakes yet.
    pub fn none() -> Self {
        Self::default()
    }

    /// The one mistake there is.
    pub fn one(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self(vec![Violation::new(field, description)])
    }

    /// Notes a mistake and goes on reading.
    pub fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.0.push(Violation::new(field, description));
    }

    /// Keeps a value that was read, or notes at `field` why it could not be.
    pub fn take<T>(&mut self, field: &str, read: Result<T, String>) -> Option<T> {
        read.map_err(|why| self.add(field, why)).ok()
    }

    /// Like [`Self::take`] where the field's name is only put together for a mistake.
    pub fn take_at<T>(&mut self, field: impl FnOnce() -> String, read: Result<T, String>) -> Option<T> {
        read.map_err(|why| self.add(field(), why)).ok()
    }

    /// Like [`Self::take`] for a part that names its own fields.
    pub fn take_all<T>(&mut self, read: Result<T, Self>) -> Option<T> {
        read.map_err(|more| self.0.extend(more.0)).ok()
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many mistakes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The mistakes in the order in which they were found, which is the order of the proto's fields.
    #[expect(clippy::iter_without_into_iter, reason = "nobody loops over a reference to it")]
    pub fn iter(&self) -> std::slice::Iter<'_, Violation> {
        self.0.iter()
    }
}
