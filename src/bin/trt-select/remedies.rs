//! Errors of the trainer and of the study as the command line words them: their remedies speak of subcommands and options.

use trt_select::{Error, ErrorKind};
use trt_select_train::{Goal, Message, ProfileError, ProfileErrorKind, TrainError, TrainErrorKind};

fn data(message: &Message) -> Error {
    Error::new(ErrorKind::Data, message.to_string())
}

/// A profile or its side file that cannot be used.
pub(crate) fn of_profile(error: &ProfileError) -> Error {
    let remedy = match error.kind() {
        ProfileErrorKind::Unreadable | ProfileErrorKind::Empty => "make one with trt-select profile",
        ProfileErrorKind::FieldCount => "remove the line, or run trt-select profile again: it goes on from there",
        ProfileErrorKind::SideColumn => "remove the file, or make it anew with trt-select profile",
        ProfileErrorKind::SideRow => "remove the file, or run trt-select profile again: it goes on from there",
        ProfileErrorKind::NotMeasured => "make it with trt-select profile",
        _ => return data(error.message()),
    };
    data(&error.message().clone().with_remedy(remedy))
}

/// Why nothing could be trained for a goal, which stands in the message as it is asked for.
pub(crate) fn of_training(error: &TrainError, goal: Goal) -> Error {
    if error.kind() != TrainErrorKind::Goal {
        return data(error.message());
    }
    data(&error.message().clone().with_object(match goal {
        Goal::AtLeastBestSingle { margin } => format!("--at-least best-single with margin {margin}"),
        Goal::AtLeast(reward) => format!("--at-least {reward}"),
        Goal::AtMost(cost) => format!("--at-most-ms {cost}"),
        Goal::Price(price) => format!("--lambda {price}"),
        _ => error.message().object.clone(),
    }))
}
