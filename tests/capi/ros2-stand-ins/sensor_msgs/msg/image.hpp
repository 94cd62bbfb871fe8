// Stands for ROS 2's header of this name: the message's fields, and the images that the stand-in of spin() delivers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace sensor_msgs::msg {

struct Image {
    using ConstSharedPtr = std::shared_ptr<const Image>;
    std::uint32_t height = 0;
    std::uint32_t width = 0;
    std::string encoding;
    std::uint8_t is_bigendian = 0;
    std::uint32_t step = 0;
    std::vector<std::uint8_t> data;
};

// One of each encoding that the node knows, one that it does not know, and one whose data is too short.
inline std::vector<Image::ConstSharedPtr> test_images() {
    std::vector<Image::ConstSharedPtr> all;
    const auto add = [&all](const char* encoding, std::uint32_t bytes_per_pixel, std::size_t bytes) {
        auto image = std::make_shared<Image>();
        image->height = image->width = 32;
        image->encoding = encoding;
        image->step = 32 * bytes_per_pixel;
        image->data.assign(bytes, 77);
        all.push_back(image);
    };
    add("mono8", 1, 1024);
    add("rgb8", 3, 3072);
    add("bgr8", 3, 3072);
    add("rgba8", 4, 4096);
    add("yuv422_yuy2", 2, 2048);
    add("nv12", 1, 1536);
    add("bayer_rggb8", 1, 1024);
    add("rgb8", 3, 3071);
    return all;
}

}  // namespace sensor_msgs::msg
