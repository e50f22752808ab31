/// What can be done to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Capability {
    Create = 1,
    Read = 1 << 1,
    Update = 1 << 2,
    Delete = 1 << 3,
    List = 1 << 4,
    Sudo = 1 << 5,
    Deny = 1 << 6,
    Patch = 1 << 7,
    Scan = 1 << 8,
    Subscribe = 1 << 9,
    Recover = 1 << 10,
}

const ALL: [(Capability, &str); 11] = [
    (Capability::Create, "create"),
    (Capability::Delete, "delete"),
    (Capability::Deny, "deny"),
    (Capability::List, "list"),
    (Capability::Patch, "patch"),
    (Capability::Read, "read"),
    (Capability::Recover, "recover"),
    (Capability::Scan, "scan"),
    (Capability::Subscribe, "subscribe"),
    (Capability::Sudo, "sudo"),
    (Capability::Update, "update"),
];

impl Capability {
    pub fn parse(name: &str) -> Option<Self> {
        ALL.iter()
            .find(|(_, have)| *have == name)
            .map(|(capability, _)| *capability)
    }
}

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(u16);

impl Capabilities {
    pub fn insert(&mut self, capability: Capability) {
        self.0 |= capability as u16;
    }

    pub fn contains(self, capability: Capability) -> bool {
        self.0 & capability as u16 != 0
    }

    /// Whether anything may be done with these.
    pub fn grant(self) -> bool {
        self.0 != 0 && !self.contains(Capability::Deny)
    }

    /// Both together; once denied stays denied.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        let all = Self(self.0 | other.0);
        if all.contains(Capability::Deny) {
            Self(Capability::Deny as u16)
        } else {
            all
        }
    }

    /// By name, sorted; `deny` if there are none.
    pub fn names(self) -> Vec<&'static str> {
        if !self.grant() {
            return vec!["deny"];
        }
        ALL.iter()
            .filter(|(capability, _)| self.contains(*capability))
            .map(|(_, name)| *name)
            .collect()
    }
}
