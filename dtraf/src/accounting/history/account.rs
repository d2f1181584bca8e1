//! For whom totals are kept, however often the container behind them is made anew.

use std::collections::BTreeMap;

/// Says which account a container's traffic belongs to.
pub(crate) const ACCOUNT_LABEL: &str = "dtraf.account";
/// What Compose writes on the containers it makes.
const PROJECT_LABEL: &str = "com.docker.compose.project";
const SERVICE_LABEL: &str = "com.docker.compose.service";
/// Labels that decide on an account.
pub(super) const LABELS: [&str; 3] = [ACCOUNT_LABEL, PROJECT_LABEL, SERVICE_LABEL];

/// What an account is found by. Hostile input: may hold anything but nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AccountKey(String);

impl AccountKey {
    /// What the label says; else project and service; else the container's name.
    pub(crate) fn new(labels: &BTreeMap<String, String>, name: &str) -> Self {
        let label = |name: &str| labels.get(name).filter(|value| !value.is_empty());
        Self(match (label(ACCOUNT_LABEL), label(PROJECT_LABEL), label(SERVICE_LABEL)) {
            (Some(account), _, _) => account.clone(),
            (None, Some(project), Some(service)) => format!("{project}/{service}"),
            _ => name.to_owned(),
        })
    }

    /// For a container of which nothing but its name is known.
    pub(crate) fn of_name(name: &str) -> Self {
        Self(name.to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The project that Compose has made a container for.
pub(crate) fn project(labels: &BTreeMap<String, String>) -> Option<&str> {
    labels.get(PROJECT_LABEL).map(String::as_str).filter(|project| !project.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labelled(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_account_is_what_outlives_the_container() {
        let (project, service) = ((PROJECT_LABEL, "shop"), (SERVICE_LABEL, "web"));
        for (labels, key) in [
            (&[][..], "shop-web-1"),
            (&[project], "shop-web-1"),
            (&[project, service], "shop/web"),
            (&[project, service, (ACCOUNT_LABEL, "")], "shop/web"),
            (&[project, service, (ACCOUNT_LABEL, "customer 7")], "customer 7"),
        ] {
            assert_eq!(AccountKey::new(&labelled(labels), "shop-web-1").as_str(), key);
        }
    }
}
