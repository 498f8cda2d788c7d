#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "weir/report/color_scale.h"
#include "weir/report/report.h"

/// The parts of the HTML page as html_*.cpp write them. Every figure is complete without the
/// script, which only adds what moves: hovering, sorting, choosing. The script reads the numbers
/// from the page's copy of the JSON form and the places of things from data- attributes.
namespace weir::report {

/// Visible, with & < > " ' as entities.
std::string escaped(std::string_view text);
/// The same for a token: spaces at its ends are marked.
std::string escaped_token(std::string_view text);

/// A gradient with its ends' values and what they are of.
std::string html_legend(const ColorScale& scale, std::string_view label);
/// Names with their colours; the script makes them switch their series on and off.
std::string html_series_legend(const std::vector<std::string>& names);
/// The same for points, each group with its shape, so that colour is not all that tells them apart.
std::string html_point_legend(const std::vector<std::string>& names);
/// data- attributes by which the script finds the colour of a value.
std::string scale_attributes(const ColorScale& scale);
std::string html_link(const Link& link);
/// The numbers of a figure as a table that opens on demand: for readers without sight of the
/// figure, without the script, or with an eye for exact values.
std::string html_values(const TableBlock& table);
/// What `html_values` says when there are more cells than a page can bear.
std::string html_values_elsewhere();
/// Figures with more values than this go without their table.
constexpr size_t kMostTableCells = 20000;
/// Widest drawing, in CSS pixels; the page's column is as wide.
constexpr double kContentWidth = 1040;

std::string html(const TableBlock& table);
std::string html(const HeatMapBlock& map);
std::string html(const CurvesBlock& curves);
std::string html(const HistogramBlock& histogram);
std::string html(const ScatterBlock& scatter);
std::string html(const TokenStripBlock& strip);
std::string html(const PassagesBlock& block);
std::string html(const AttentionBlock& attention);
std::string html(const TextBlock& text);
std::string html(const GraphBlock& graph);
std::string html(const MediaBlock& media);

}  // namespace weir::report
