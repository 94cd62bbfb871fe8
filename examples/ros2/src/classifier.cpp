// A ROS 2 node: sensor_msgs/Image on "image" in, std_msgs/String on "~/class" out, statistics on a timer.
//
//   ros2 run trt_select_ros2 classifier --ros-args -p bundle:=/path/to/bundle -p deadline_ms:=20.0 -r image:=/camera/image_raw
//
// Parameters: bundle (folder), engine (auto, tensorrt, ort, tract, null), deadline_ms (0: none), statistics_s (0: none).
// The executor of main runs one callback at a time, as the selector asks.
#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include <rclcpp/rclcpp.hpp>
#include <sensor_msgs/msg/image.hpp>
#include <std_msgs/msg/string.hpp>

#include "trt_select.hpp"

namespace {

std::uint32_t engine_of(const std::string& name) {
    if (name == "auto") return TRTSEL_ENGINE_AUTO;
    if (name == "tensorrt") return TRTSEL_ENGINE_TENSORRT;
    if (name == "ort") return TRTSEL_ENGINE_ORT;
    if (name == "tract") return TRTSEL_ENGINE_TRACT;
    if (name == "null") return TRTSEL_ENGINE_NULL;
    throw std::invalid_argument("engine: expected auto, tensorrt, ort, tract or null, got " + name);
}

// The frame of a message, and how many bytes it needs; false for an encoding that is not known.
bool frame_of(const sensor_msgs::msg::Image& image, trtsel::frame& frame, std::uint64_t& needed) {
    const std::string& encoding = image.encoding;
    const std::uint64_t rows = image.height, stride = image.step;
    needed = rows * stride;
    if (encoding == "nv12") {
        // The chroma lies right behind the luma, with the same stride; both sizes are even.
        needed = stride * (rows + rows / 2);
        if (image.data.size() < needed) return true;
        frame = trtsel::frame::nv12(image.width, image.height, image.data.data(), image.data.data() + rows * stride, stride, stride);
        return true;
    }
    std::uint32_t format = 0;
    if (encoding == "rgb8") format = TRTSEL_FORMAT_RGB8;
    else if (encoding == "bgr8") format = TRTSEL_FORMAT_BGR8;
    else if (encoding == "rgba8") format = TRTSEL_FORMAT_RGBA8;
    else if (encoding == "mono8" || encoding == "8UC1") format = TRTSEL_FORMAT_GRAY8;
    else if (encoding == "yuv422_yuy2") format = TRTSEL_FORMAT_YUYV;
    else return false;
    frame = trtsel::frame::packed(format, image.width, image.height, image.data.data(), stride);
    return true;
}

class Classifier : public rclcpp::Node {
  public:
    Classifier() : rclcpp::Node("trt_select") {
        const auto bundle = declare_parameter<std::string>("bundle", "");
        trtsel::options options(engine_of(declare_parameter<std::string>("engine", "auto")));
        options.deadline_ns = static_cast<std::uint64_t>(declare_parameter<double>("deadline_ms", 0.0) * 1e6);
        const double statistics_s = declare_parameter<double>("statistics_s", 10.0);
        auto opened = trtsel::selector::open(bundle, options);
        if (!opened) {
            throw std::runtime_error(opened.error().text);
        }
        selector_ = std::move(*opened);
        publisher_ = create_publisher<std_msgs::msg::String>("~/class", rclcpp::QoS(10));
        subscription_ = create_subscription<sensor_msgs::msg::Image>(
            "image", rclcpp::SensorDataQoS(), [this](sensor_msgs::msg::Image::ConstSharedPtr image) { classify(*image); });
        if (statistics_s > 0.0) {
            timer_ = create_wall_timer(std::chrono::duration<double>(statistics_s), [this] { report(); });
        }
    }

  private:
    void classify(const sensor_msgs::msg::Image& image) {
        trtsel::frame frame;
        std::uint64_t needed = 0;
        if (!frame_of(image, frame, needed)) {
            RCLCPP_ERROR(get_logger(), "image: encoding %s is not known; expected rgb8, bgr8, rgba8, mono8, yuv422_yuy2 or nv12",
                         image.encoding.c_str());
            return;
        }
        if (image.data.size() < needed) {
            RCLCPP_ERROR(get_logger(), "image: expected %zu bytes, got %zu", static_cast<std::size_t>(needed), image.data.size());
            return;
        }
        const auto result = selector_.infer(frame);
        if (!result) {
            RCLCPP_WARN(get_logger(), "%s: %s", result.error().name(), result.error().text.c_str());
            return;
        }
        // What the result is, for people; a robot that acts on it takes the number.
        std_msgs::msg::String answer;
        answer.data = std::to_string(result->class_index) + " " + selector_.label(result->class_index).value_or("") + " " +
                      std::to_string(result->probability);
        publisher_->publish(answer);
    }

    void report() {
        const auto statistics = selector_.statistics();
        if (!statistics || statistics->answered == 0) {
            return;
        }
        const double mean_ms = static_cast<double>(statistics->latency_sum_ns) / static_cast<double>(statistics->answered) / 1e6;
        RCLCPP_INFO(get_logger(), "%llu of %llu inputs answered, mean %.3f ms, %llu past the deadline",
                    static_cast<unsigned long long>(statistics->answered), static_cast<unsigned long long>(statistics->inputs),
                    mean_ms, static_cast<unsigned long long>(statistics->deadline_misses));
    }

    trtsel::selector selector_;
    rclcpp::Publisher<std_msgs::msg::String>::SharedPtr publisher_;
    rclcpp::Subscription<sensor_msgs::msg::Image>::SharedPtr subscription_;
    rclcpp::TimerBase::SharedPtr timer_;
};

}  // namespace

int main(int argc, char** argv) {
    rclcpp::init(argc, argv);
    int failed = 0;
    try {
        rclcpp::spin(std::make_shared<Classifier>());
    } catch (const std::exception& e) {
        RCLCPP_FATAL(rclcpp::get_logger("trt_select"), "%s", e.what());
        failed = 1;
    }
    rclcpp::shutdown();
    return failed;
}
