// Stands for ROS 2 where there is none: as much of rclcpp as examples/ros2 calls, with its names and types, so that the node is
// compiled and its callbacks run. spin() delivers the images of test_images(), runs the timers once and returns; what is published or
// logged is printed. It shows nothing about ROS 2 itself.
#pragma once

#include <chrono>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <sensor_msgs/msg/image.hpp>
#include <std_msgs/msg/string.hpp>

namespace rclcpp {

struct Logger {
    std::string name;
};
inline Logger get_logger(const std::string& name) { return {name}; }

struct QoS {
    explicit QoS(std::size_t kept) : depth(kept) {}
    std::size_t depth;
};
struct SensorDataQoS : QoS {
    SensorDataQoS() : QoS(5) {}
};

struct TimerBase {
    using SharedPtr = std::shared_ptr<TimerBase>;
    std::function<void()> call;
};

template <class Message>
struct Publisher {
    using SharedPtr = std::shared_ptr<Publisher>;
    std::string topic;
    void publish(const Message& message) { std::printf("%s: %s\n", topic.c_str(), message.data.c_str()); }
};

template <class Message>
struct Subscription {
    using SharedPtr = std::shared_ptr<Subscription>;
    std::function<void(typename Message::ConstSharedPtr)> call;
};

inline std::map<std::string, std::string>& arguments() {
    static std::map<std::string, std::string> all;
    return all;
}
inline void parse(const std::string& text, std::string& to) { to = text; }
inline void parse(const std::string& text, double& to) { to = std::stod(text); }

class Node {
  public:
    explicit Node(const std::string& name) : logger_{name} {}
    virtual ~Node() = default;
    Logger get_logger() const { return logger_; }

    template <class T>
    T declare_parameter(const std::string& name, const T& value) {
        T got = value;
        const auto found = arguments().find(name);
        if (found != arguments().end()) parse(found->second, got);
        return got;
    }
    template <class Message>
    typename Publisher<Message>::SharedPtr create_publisher(const std::string& topic, const QoS&) {
        return std::make_shared<Publisher<Message>>(Publisher<Message>{topic});
    }
    template <class Message, class Call>
    typename Subscription<Message>::SharedPtr create_subscription(const std::string&, const QoS&, Call&& call) {
        auto made = std::make_shared<Subscription<Message>>(Subscription<Message>{call});
        deliver = made->call;
        return made;
    }
    template <class Rep, class Period, class Call>
    TimerBase::SharedPtr create_wall_timer(std::chrono::duration<Rep, Period>, Call&& call) {
        timers.push_back(std::make_shared<TimerBase>(TimerBase{call}));
        return timers.back();
    }

    std::function<void(sensor_msgs::msg::Image::ConstSharedPtr)> deliver;
    std::vector<TimerBase::SharedPtr> timers;

  private:
    Logger logger_;
};

// "-p name:=value" of the command line are parameters.
inline void init(int argc, char** argv) {
    for (int i = 1; i + 1 < argc; ++i) {
        const std::string word = argv[i + 1];
        const auto at = word.find(":=");
        if (std::string(argv[i]) == "-p" && at != std::string::npos) arguments()[word.substr(0, at)] = word.substr(at + 2);
    }
}
inline void shutdown() {}

inline void spin(const std::shared_ptr<Node>& node) {
    for (const auto& image : sensor_msgs::msg::test_images()) node->deliver(image);
    for (const auto& timer : node->timers) timer->call();
}

}  // namespace rclcpp

#define RCLCPP_STAND_IN(level, logger, ...)                      \
    do {                                                         \
        std::printf("[%s] [%s]: ", level, (logger).name.c_str()); \
        std::printf(__VA_ARGS__);                                \
        std::printf("\n");                                       \
    } while (0)
#define RCLCPP_INFO(logger, ...) RCLCPP_STAND_IN("INFO", logger, __VA_ARGS__)
#define RCLCPP_WARN(logger, ...) RCLCPP_STAND_IN("WARN", logger, __VA_ARGS__)
#define RCLCPP_ERROR(logger, ...) RCLCPP_STAND_IN("ERROR", logger, __VA_ARGS__)
#define RCLCPP_FATAL(logger, ...) RCLCPP_STAND_IN("FATAL", logger, __VA_ARGS__)
