//! What is best at some price.

/// Of all items those that are the best one at some price from 0 on, by cost. `worth` gives an item's reward and cost.
pub(super) fn hull<T>(mut items: Vec<T>, worth: impl Fn(&T) -> (f64, f64)) -> Vec<T> {
    items.sort_by(|a, b| {
        let ((reward_a, cost_a), (reward_b, cost_b)) = (worth(a), worth(b));
        cost_a.total_cmp(&cost_b).then(reward_b.total_cmp(&reward_a))
    });
    let mut kept: Vec<T> = Vec::new();
    for item in items {
        let (reward, cost) = worth(&item);
        if kept.last().is_some_and(|last| worth(last).0 >= reward) {
            continue;
        }
        // The last one lies below the line from the one before it to this one, or on it.
        while let [.., before, last] = kept.as_slice() {
            let ((reward_0, cost_0), (reward_1, cost_1)) = (worth(before), worth(last));
            if (reward_1 - reward_0) * (cost - cost_0) > (reward - reward_0) * (cost_1 - cost_0) {
                break;
            }
            kept.pop();
        }
        kept.push(item);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hull_keeps_what_is_best_at_some_price() {
        let points = vec![(0.9, 5.0), (0.5, 1.0), (0.55, 2.0), (0.4, 3.0), (0.9, 6.0), (0.8, 2.5)];
        assert_eq!(hull(points, |&p| p), [(0.5, 1.0), (0.8, 2.5), (0.9, 5.0)]);
        assert_eq!(hull(vec![(0.5, 1.0), (0.6, 1.0), (0.7, 2.0), (0.8, 3.0)], |&p| p), [(0.6, 1.0), (0.8, 3.0)]);
    }
}
