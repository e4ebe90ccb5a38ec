//! The rules of the review, by the words under which reports and suppressions know them.
//!
//! Takes: nothing. Gives: [`Rule`], [`Severity`]. May name: nothing.

use serde::Serialize;

/// How bad a finding is. Every finding counts, whatever its severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something is missing that people or models rely on.
    Note,
    /// More than seems necessary, or something that only a person can judge.
    Warning,
    /// Nobody should install this before it is explained.
    Error,
}

impl Severity {
    /// The word, which is SARIF's level as well.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

macro_rules! rules {
    ($( $(#[$doc:meta])+ $rule:ident $id:literal $severity:ident $about:literal $help:literal; )+) => {
        /// A rule. Its id never changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Rule { $( $(#[$doc])+ $rule, )+ }

        impl Rule {
            /// All rules.
            pub const ALL: &[Self] = &[ $( Self::$rule, )+ ];

            /// The stable word.
            #[must_use]
            pub fn id(self) -> &'static str {
                match self { $( Self::$rule => $id, )+ }
            }

            /// How bad a finding of it is.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $( Self::$rule => Severity::$severity, )+ }
            }

            /// What it looks for, in one sentence.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self { $( Self::$rule => $about, )+ }
            }

            /// What to do about a finding.
            #[must_use]
            pub fn help(self) -> &'static str {
                match self { $( Self::$rule => $help, )+ }
            }
        }
    };
}

rules! {
    /// A need covers every path.
    OverBroadPaths "over-broad-paths" Warning
        "An http need covers every path of its origin."
        "Name the paths that the tool uses, as \"/orders/*\".";
    /// A need covers every usual method.
    OverBroadMethods "over-broad-methods" Warning
        "An http need covers every usual method: GET, POST, PUT, PATCH and DELETE."
        "Name the methods that the tool uses, and split the need where paths differ in them.";
    /// An import that no need explains.
    ImportWithoutNeed "import-without-need" Warning
        "The component imports a capability for which the manifest has no need, so that every use of it is denied."
        "Declare the need, or build the component without the import.";
    /// An import that no host has.
    ImportUnavailable "import-unavailable" Error
        "The component imports what this host gives to no tool, and cannot be installed."
        "Build the component without the import.";
    /// A need that no import explains.
    NeedWithoutImport "need-without-import" Warning
        "The manifest asks for a capability that the component cannot use, because it does not import it."
        "Remove the need: a grant for it would be a right without a use.";
    /// A function declared `read` in a component that can change things.
    ReadWithEffects "read-with-effects" Warning
        "A function is declared `read`, and its component can change things outside of the call. Imports belong to the component as a whole, so the file cannot tell which function changes them."
        "Read the source of the `read` functions, or put the functions that write into a component of their own.";
    /// A function of the manifest that is not there.
    UnknownFunction "unknown-function" Error
        "The manifest has an entry for a function that the component does not export, and cannot be installed."
        "Name the function as `strongroom inspect` lists it.";
    /// Characters that people do not see.
    HiddenCharacters "hidden-characters" Error
        "A text holds characters that people do not see, or that turn the reading direction; models read them."
        "Remove the characters.";
    /// Words of two alphabets in one.
    MixedScripts "mixed-scripts" Warning
        "A word mixes Latin letters with Cyrillic or Greek ones, which look alike."
        "Write the word in one alphabet.";
    /// A description that speaks to the model.
    InstructionsToModel "instructions-to-model" Error
        "A text speaks to the model that reads it, and does not describe the tool."
        "Describe what the tool does, and nothing else.";
    /// A name that could be taken for another.
    LookAlikeName "look-alike-name" Warning
        "A name could be taken for a well-known one."
        "Use the well-known name if it is meant, or one that is clearly another.";
    /// A secret in the file.
    HardCodedSecret "hard-coded-secret" Error
        "The component's data or its manifest holds what looks like a credential."
        "Revoke it, and let the host add a credential by the tenant's grant.";
    /// A function that nobody described.
    FunctionWithoutDocs "function-without-docs" Note
        "A function has no description, so that people and models guess what it does."
        "Write a doc comment in the WIT, and embed it as the SDK does.";
    /// A function whose effect is not declared.
    FunctionWithoutEffect "function-without-effect" Note
        "The manifest does not say what a function's effect is; it counts as `write`."
        "Add an entry with `effect = \"read\"` or `effect = \"write\"`.";
}

impl Serialize for Rule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}
