//! Several recordings of the same networks as one table.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use trt_select_base::text::hex;

use super::{Message, Profile, ProfileError, ProfileErrorKind, Weights};

/// Comments that say how a table was made: recordings that differ in one of them measured different things.
const SET_UP: [&str; 6] = ["networks", "engine", "device", "precision", "classes", "judged_by"];

impl Profile {
    /// Joins recordings of the same networks, say of several days or folders, into one table: the rows of the first, then those of the
    /// second, and so on. One table alone stays as it is.
    ///
    /// Inputs are called `FILE:INPUT` in the joined table, since each folder may have its own `0001.png`;
    /// [`Recordings::name_within`](crate::Recordings::name_within) gives the name without the file. Comments that differ (such as
    /// `samples`) are left out of [`Profile::meta`]; each of [`Recordings::files`](crate::Recordings::files) keeps its own. A file
    /// without weights is joined with files that have some as if each of its rows had the weight 1.
    ///
    /// [`Profile::sha256`] of several recordings is the SHA-256 of their own, in the order in which they were joined, each in
    /// hexadecimal and followed by a newline: what `sha256sum mon.csv tue.csv | cut -c1-64 | sha256sum` prints.
    ///
    /// ```
    /// use trt_select_train::Profile;
    ///
    /// let parse = |name: &str, row: &str| Profile::parse(name, format!("input,a.reward\n{row}\n").as_bytes());
    /// let both = Profile::join(vec![parse("mon.csv", "1.png,1")?, parse("tue.csv", "1.png,0")?])?;
    /// assert_eq!((both.inputs[1].as_str(), both.rewards[0].clone()), ("tue.csv:1.png", vec![1.0, 0.0]));
    ///
    /// let other = Profile::parse("wed.csv", b"input,b.reward\n1.png,1\n")?;
    /// let error = Profile::join(vec![both, other]).unwrap_err();
    /// assert!(error.to_string().starts_with("wed.csv: expected the candidates of mon.csv (a), got b;"), "{error}");
    /// # Ok::<(), trt_select_train::ProfileError>(())
    /// ```
    ///
    /// # Errors
    /// Of the kind [`ProfileErrorKind::Recordings`] where a recording has other candidates or columns than the first (a column that was
    /// dropped in silence would make another program), was made by other networks or on another engine, device or precision, has
    /// another number of classes or rewards of another kind, has a teacher where the others have labels, lacks most probable classes that
    /// another has, comes twice, or has inputs of a recording before it.
    pub fn join(profiles: Vec<Profile>) -> Result<Profile, ProfileError> {
        let mut rest = profiles.into_iter();
        let Some(mut all) = rest.next() else {
            let message = Message::new("recordings", "at least one", "none", "give a profile");
            return Err(ProfileError::new(ProfileErrorKind::Empty, message));
        };
        let mut joined = false;
        for next in rest {
            check(&all, &next)?;
            qualify(&mut all);
            all.append(next);
            joined = true;
        }
        if joined {
            let lines: String = all.recordings.files().iter().map(|file| format!("{}\n", file.sha256)).collect();
            all.sha256 = hex(&Sha256::digest(lines));
        }
        Ok(all)
    }

    /// Appends the rows of a table that was checked to fit.
    fn append(&mut self, mut next: Profile) {
        fn each<T>(all: &mut [Vec<T>], next: Vec<Vec<T>>) {
            all.iter_mut().zip(next).for_each(|(all, next)| all.extend(next));
        }
        qualify(&mut next);
        let (own, others) = (self.rows(), next.rows());
        self.weights = joined_weights(self, &next);
        for column in &mut self.columns {
            let same = next.columns.iter_mut().find(|c| c.signal == column.signal);
            column.values.extend(same.map(|c| std::mem::take(&mut c.values)).unwrap_or_default());
        }
        self.inputs.extend(next.inputs);
        self.labels.extend(next.labels);
        each(&mut self.rewards, next.rewards);
        each(&mut self.costs, next.costs);
        each(&mut self.answers, next.answers);
        self.features_cost.extend(next.features_cost);
        if let (Some(topk), Some(more)) = (&mut self.topk, next.topk) {
            topk.append(more);
        }
        self.meta.retain(|key, value| next.meta.get(key) == Some(value));
        self.recordings.append(own, next.recordings, others);
    }
}

/// The weights of two tables, one after the other; `None` where neither has any.
fn joined_weights(all: &Profile, next: &Profile) -> Option<Weights> {
    if all.weights.is_none() && next.weights.is_none() {
        return None;
    }
    let given = |profile: &Profile| match &profile.weights {
        Some(weights) => weights.as_given().to_vec(),
        None => vec![1.0; profile.rows()],
    };
    Some(Weights::checked([given(all), given(next)].concat()))
}

/// Puts the file's name before those of its inputs. Where several files were joined, it is there already.
fn qualify(profile: &mut Profile) {
    if let [file] = profile.recordings.files() {
        profile.inputs.iter_mut().for_each(|input| *input = format!("{}:{input}", file.name));
    }
}

/// The name of a table in messages: that of its first file.
fn name(profile: &Profile) -> &str {
    profile.recordings.files().first().map_or("profile", |file| &file.name)
}

/// Refuses what makes no one table with the recordings joined so far.
fn check(all: &Profile, next: &Profile) -> Result<(), ProfileError> {
    let fail = |object: &str, expected: String, got: String, remedy: &str| {
        let message = Message::new(object, expected, got, remedy);
        Err(ProfileError::new(ProfileErrorKind::Recordings, message))
    };
    let (first, here) = (name(all), name(next));
    for file in next.recordings.files() {
        let before = all.recordings.files().iter().find(|f| f.sha256 == file.sha256 || f.name == file.name);
        if let Some(before) = before {
            let (expected, got) =
                ("each recording once".to_string(), format!("the contents or the name of {}", before.name));
            return fail(&file.name, expected, got, "leave it out");
        }
    }
    if all.candidates != next.candidates {
        let expected = format!("the candidates of {first} ({})", all.candidates.join(", "));
        return fail(here, expected, next.candidates.join(", "), "join recordings of the same networks only");
    }
    if all.is_label_free != next.is_label_free {
        let whose = |profile: &Profile| if profile.is_label_free { "a teacher's answers" } else { "labels" };
        let (expected, got) = (format!("{} as in {first}", whose(all)), whose(next).to_string());
        return fail(&format!("{here}: truth"), expected, got, "join first, and take a teacher for all");
    }
    for key in SET_UP {
        let (own, other) = (all.meta.get(key), next.meta.get(key));
        if own != other {
            let shown = |value: Option<&String>| value.map_or("none".to_string(), |value| format!("'{value}'"));
            let expected = format!("{} as in {first}", shown(own));
            return fail(
                &format!("{here}: comment '{key}'"),
                expected,
                shown(other),
                "join recordings of one set-up only",
            );
        }
    }
    let (own, others) = (columns(all), columns(next));
    let without = others.difference(&own).map(|column| (column, first, here));
    if let Some((column, lacks, has)) =
        own.difference(&others).map(|column| (column, here, first)).chain(without).next()
    {
        let remedy = "add it, or remove it from the others";
        return fail(lacks, format!("a column '{column}' as in {has}"), "none".into(), remedy);
    }
    match (&all.topk, &next.topk) {
        (Some(own), Some(other)) if own.class_count() != other.class_count() => {
            let expected = format!("{} classes beside it as beside {first}", own.class_count());
            let remedy = "say '# classes: N' in both";
            return fail(here, expected, other.class_count().to_string(), remedy);
        }
        (Some(_), None) | (None, Some(_)) => {
            let (has, lacks) = if all.topk.is_some() { (first, here) } else { (here, first) };
            let expected = format!("the most probable classes beside it (.topk.csv) as beside {has}");
            return fail(lacks, expected, "none".into(), "profile it with them, or remove the others'");
        }
        _ => {}
    }
    let again = all.inputs_again(next);
    if again > 0 {
        let (expected, got) =
            ("inputs that no recording before it has".to_string(), format!("{again} that are there already"));
        return fail(here, expected, got, "leave it out, or remove those rows");
    }
    Ok(())
}

/// Names of all columns that a recording may lack.
fn columns(profile: &Profile) -> BTreeSet<String> {
    let signals = profile.columns.iter().map(|column| column.signal.name(&profile.candidates));
    let mut names: BTreeSet<String> = signals.collect();
    for (column, is_there) in [
        ("CANDIDATE.cost_ns", !profile.costs.is_empty()),
        ("CANDIDATE.answer", !profile.answers.is_empty()),
        ("features.cost_ns", !profile.features_cost.is_empty()),
    ] {
        if is_there {
            names.insert(column.to_string());
        }
    }
    names
}
