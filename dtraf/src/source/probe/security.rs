//! Security modules that may say no where the privileges say yes.

use super::{Security, Selinux, value_in};

pub(super) fn look() -> Security {
    let apparmor = value_in("/sys/module/apparmor/parameters/enabled").is_some_and(|value| value == "Y");
    Security {
        lockdown: value_in("/sys/kernel/security/lockdown").and_then(|text| chosen(&text)),
        selinux: value_in("/sys/fs/selinux/enforce")
            .map(|value| if value == "1" { Selinux::Enforcing } else { Selinux::Permissive }),
        apparmor: apparmor.then(profile).flatten(),
    }
}

/// The word in brackets of `none [integrity] confidentiality`.
fn chosen(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    rest.split_once(']').map(|(word, _)| word.to_owned())
}

/// Kernels before 5.1 have only the place that all security modules share.
fn profile() -> Option<String> {
    value_in("/proc/self/attr/apparmor/current").or_else(|| value_in("/proc/self/attr/current"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lockdown_in_force_stands_in_brackets() {
        assert_eq!(chosen("none [integrity] confidentiality").as_deref(), Some("integrity"));
        assert_eq!(chosen("[none] integrity confidentiality").as_deref(), Some("none"));
        assert_eq!(chosen(""), None);
    }
}
