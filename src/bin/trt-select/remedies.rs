//! Turns errors of the library and the trainer into errors of the command line, whose remedies name subcommands and options. A
//! remedy that depends on nothing but the kind of an error is added by `common::line_of` instead.

use std::path::Path;

use trt_select::bundle::Bundle;
use trt_select::{Error, ErrorKind, Result};
use trt_select_train::{Goal, Message, ProfileError, ProfileErrorKind, TrainError, TrainErrorKind};

fn data(message: &Message) -> Error {
    Error::new(ErrorKind::Data, message.to_string())
}

/// Reads a bundle with its premodel.
pub(crate) fn read_bundle(dir: &Path) -> Result<Bundle> {
    Bundle::read(dir).map_err(|error| match Bundle::read_untrained(dir) {
        Ok(bundle) => of_bundle(error, &bundle),
        Err(_) => error,
    })
}

/// The error of a bundle or a selector that could not be opened. If the premodel is missing, the commands that make one are
/// added.
pub(crate) fn of_bundle(error: Error, bundle: &Bundle) -> Error {
    let untrained = match &bundle.premodel {
        None => error.kind() == ErrorKind::Bundle,
        Some(path) => error.kind() == ErrorKind::Io && !path.is_file(),
    };
    if !untrained {
        return error;
    }
    let line = format!("{error} (trt-select profile, then trt-select train)");
    Error::new(error.kind(), line).caused_by(error)
}

/// The error of a profile or a side file that cannot be used.
pub(crate) fn of_profile(error: &ProfileError) -> Error {
    let remedy = match error.kind() {
        ProfileErrorKind::Unreadable | ProfileErrorKind::Empty => "make one with trt-select profile",
        ProfileErrorKind::FieldCount => {
            "remove the line, or run trt-select profile again: it continues where it stopped"
        }
        ProfileErrorKind::SideColumn => "remove the file, or make it anew with trt-select profile",
        ProfileErrorKind::SideRow => "remove the file, or run trt-select profile again: it continues where it stopped",
        ProfileErrorKind::NotMeasured => "make it with trt-select profile",
        _ => return data(error.message()),
    };
    data(&error.message().clone().with_remedy(remedy))
}

/// The error of a training. If no program meets the goal, the message names the goal as the user gave it.
pub(crate) fn of_training(error: &TrainError, goal: Goal) -> Error {
    match error.kind() {
        TrainErrorKind::Goal => {}
        TrainErrorKind::Recordings => {
            let remedy = "name the profiles of more recordings, or give a number of folds";
            return data(&error.message().clone().with_object("folds by file").with_remedy(remedy));
        }
        _ => return data(error.message()),
    }
    data(&error.message().clone().with_object(match goal {
        Goal::AtLeastBestSingle { margin } => format!("--at-least best-single with margin {margin}"),
        Goal::AtLeast(reward) => format!("--at-least {reward}"),
        Goal::AtMost(cost) => format!("--at-most-ms {cost}"),
        Goal::Price(price) => format!("--lambda {price}"),
        _ => error.message().object.clone(),
    }))
}
