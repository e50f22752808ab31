use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde_json::{Map, Value};

pub use crate::bindings::plugin::exports::coffer::plugin::engine::FieldType;

/// A number of seconds; on the wire a number, or text such as `90`, `1h30m` or `7d`.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Seconds(pub u64);

/// A parameter: its name and help, and the type that handlers get it as.
pub struct Field<T> {
    decl: Decl,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for Field<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Field<T> {}

/// A parameter, as a path declares it.
#[derive(Clone, Copy, Debug)]
pub struct Decl {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) kind: FieldType,
    pub(crate) required: bool,
    pub(crate) deprecated: bool,
    pub(crate) default: &'static str,
    pub(crate) destination: bool,
}

impl Decl {
    /// The parameter's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<T> Field<T> {
    const fn new(name: &'static str, help: &'static str, kind: FieldType) -> Self {
        let decl = Decl {
            name,
            help,
            kind,
            required: false,
            deprecated: false,
            default: "",
            destination: false,
        };
        Self {
            decl,
            kind: PhantomData,
        }
    }

    /// For the list of a path's fields.
    pub const fn decl(self) -> Decl {
        self.decl
    }

    /// The parameter's name.
    pub const fn name(self) -> &'static str {
        self.decl.name
    }

    /// Says in the help that it must be given.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.decl.required = true;
        self
    }

    /// Says in the help that it should not be used any more.
    #[must_use]
    pub const fn deprecated(mut self) -> Self {
        self.decl.deprecated = true;
        self
    }

    /// Names servers to connect to: who writes it grants the mount what it names.
    #[must_use]
    pub const fn destination(mut self) -> Self {
        self.decl.destination = true;
        self
    }

    /// Says in the help what is taken if it is not given, as JSON.
    #[must_use]
    pub const fn default_json(mut self, default: &'static str) -> Self {
        self.decl.default = default;
        self
    }
}

impl Field<String> {
    /// Text.
    pub const fn text(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, FieldType::Text)
    }
}

impl Field<i64> {
    /// A whole number.
    pub const fn integer(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, FieldType::Integer)
    }
}

impl Field<bool> {
    /// True or false.
    pub const fn boolean(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, FieldType::Boolean)
    }
}

impl Field<Seconds> {
    /// A duration.
    pub const fn duration(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, FieldType::Duration)
    }
}

impl Field<Vec<String>> {
    /// A list of texts; on the wire also one text separated by commas.
    pub const fn text_list(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, FieldType::TextList)
    }
}

impl Field<BTreeMap<String, String>> {
    /// An object of texts.
    pub const fn text_map(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, FieldType::TextMap)
    }
}

impl Field<Vec<Value>> {
    /// Any JSON array.
    pub const fn array(name: &'static str, help: &'static str) -> Self {
        // The contract has no other list.
        Self::new(name, help, FieldType::TextList)
    }
}

impl Field<Map<String, Value>> {
    /// Any JSON object.
    pub const fn object(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, FieldType::Object)
    }
}
