/* SPDX-License-Identifier: MIT */
/*
 * sim/plot_svg.c: the picture: two panels over one time axis, as plain SVG 1.1.
 *
 *   above  the stream: what was sent (a bar per segment), sent again, acknowledged, allowed
 *   below  cwnd, ssthresh, bytes in flight
 */
#include "sim/plot.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#define WIDTH      1100.0
#define HEIGHT     720.0
#define LEFT       86.0
#define RIGHT      30.0
#define TICKS      6
#define TOP_Y      70.0
#define TOP_HEIGHT 370.0
#define LOW_Y      500.0
#define LOW_HEIGHT 150.0

struct unit {
    const char *name;
    double scale;
};

/* One panel: where it is, and what its axes span. */
struct panel {
    double y;
    double height;
    double time_max; /* ns */
    double value_max;
    const char *id;
};

struct look {
    const char *name;
    const char *colour;
    const char *style; /* further attributes */
};

static const struct look looks[PLOT_KINDS] = {
    [PLOT_SENT] = {"sent", "#2166ac", " stroke-width='2'"},
    [PLOT_RESENT] = {"sent again", "#d6301f", " stroke-width='3'"},
    [PLOT_ACKED] = {"acknowledged", "#238b45", " stroke-width='1.3'"},
    [PLOT_LIMIT] = {"receive window's edge", "#8c8c8c", " stroke-width='1.3'"},
    [PLOT_CWND] = {"cwnd", "#2166ac", " stroke-width='1.6'"},
    [PLOT_SSTHRESH] = {"ssthresh", "#e08214", " stroke-width='1.6' stroke-dasharray='6 4'"},
    [PLOT_FLIGHT] = {"in flight", "#8c8c8c", " stroke-width='1'"},
};

static double x_of(const struct panel *panel, double now_ns)
{
    return LEFT + now_ns / panel->time_max * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct panel *panel, double value)
{
    return panel->y + panel->height - value / panel->value_max * panel->height;
}

/* ---- Axes ------------------------------------------------------------------------------------ */

/* 1, 2 or 5 times a power of ten, so that about TICKS of them make SPAN. */
static double nice_step(double span)
{
    double rough = span / TICKS;
    double power = pow(10, floor(log10(rough)));
    double lead = rough / power;

    return power * (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10);
}

static struct unit byte_unit(double max)
{
    if (max >= 4.0 * 1024 * 1024) {
        return (struct unit){"MiB", 1024.0 * 1024};
    }
    return max >= 4096 ? (struct unit){"KiB", 1024} : (struct unit){"bytes", 1};
}

static struct unit time_unit(double max)
{
    if (max >= 2e9) {
        return (struct unit){"s", 1e9};
    }
    return max >= 2e6 ? (struct unit){"ms", 1e6} : (struct unit){"us", 1e3};
}

static void draw_values(FILE *out, const struct panel *panel, const char *what)
{
    struct unit unit = byte_unit(panel->value_max);
    double step = nice_step(panel->value_max / unit.scale);

    for (double value = 0; value * unit.scale <= panel->value_max; value += step) {
        double y = y_of(panel, value * unit.scale);

        (void)fprintf(out,
                      "<line x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f' stroke='#e4e4e4'/>\n"
                      "<text x='%.1f' y='%.1f' text-anchor='end'>%g</text>\n",
                      LEFT, y, WIDTH - RIGHT, y, LEFT - 8, y + 4, value);
    }
    (void)fprintf(out,
                  "<text x='22' y='%.1f' text-anchor='middle' "
                  "transform='rotate(-90 22 %.1f)'>%s, %s</text>\n",
                  panel->y + panel->height / 2, panel->y + panel->height / 2, what, unit.name);
}

static void draw_times(FILE *out, const struct panel *panel, bool has_text)
{
    struct unit unit = time_unit(panel->time_max);
    double step = nice_step(panel->time_max / unit.scale);
    double bottom = panel->y + panel->height;

    for (double value = 0; value * unit.scale <= panel->time_max; value += step) {
        double x = x_of(panel, value * unit.scale);

        (void)fprintf(out, "<line x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f' stroke='#e4e4e4'/>\n", x,
                      panel->y, x, bottom);
        if (has_text) {
            (void)fprintf(out, "<text x='%.1f' y='%.1f' text-anchor='middle'>%g</text>\n", x,
                          bottom + 20, value);
        }
    }
    if (has_text) {
        (void)fprintf(out, "<text x='%.1f' y='%.1f' text-anchor='middle'>time, %s</text>\n",
                      LEFT + (WIDTH - LEFT - RIGHT) / 2, bottom + 42, unit.name);
    }
}

static void draw_frame(FILE *out, const struct panel *panel)
{
    (void)fprintf(out,
                  "<clipPath id='%s'><rect x='%.1f' y='%.1f' width='%.1f' height='%.1f'/>"
                  "</clipPath>\n"
                  "<rect x='%.1f' y='%.1f' width='%.1f' height='%.1f' fill='none' "
                  "stroke='#555'/>\n",
                  panel->id, LEFT, panel->y, WIDTH - LEFT - RIGHT, panel->height, LEFT, panel->y,
                  WIDTH - LEFT - RIGHT, panel->height);
}

/* A row over the panel: a stroke and a name for each kind from FIRST to LAST. */
static void draw_legend(FILE *out, const struct plot *plot, const struct panel *panel,
                        unsigned first, unsigned last)
{
    double x = LEFT;
    double y = panel->y - 12;

    for (unsigned kind = first; kind <= last; kind++) {
        const struct look *look = &looks[kind];

        if (plot->series[kind].count == 0) {
            continue;
        }
        (void)fprintf(out,
                      "<line x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f' stroke='%s'%s/>\n"
                      "<text x='%.1f' y='%.1f'>%s</text>\n",
                      x, y - 4, x + 24, y - 4, look->colour, look->style, x + 30, y, look->name);
        x += 190;
    }
}

/* ---- Data ------------------------------------------------------------------------------------ */

static void begin_path(FILE *out, const struct panel *panel, unsigned kind)
{
    (void)fprintf(out, "<path clip-path='url(#%s)' fill='none' stroke='%s'%s d='", panel->id,
                  looks[kind].colour, looks[kind].style);
}

/* A bar from low to high at each time. */
static void draw_bars(FILE *out, const struct plot *plot, const struct panel *panel, unsigned kind)
{
    const struct plot_series *series = &plot->series[kind];

    begin_path(out, panel, kind);
    for (uint32_t i = 0; i < series->count; i++) {
        const struct plot_point *point = &series->points[i];
        double low = y_of(panel, (double)point->low);
        double high = y_of(panel, (double)point->high);

        (void)fprintf(out, "M%.1f %.1fV%.1f", x_of(panel, (double)point->now_ns), low,
                      low - high < 2 ? low - 2 : high);
    }
    (void)fprintf(out, "'/>\n");
}

/* A line that keeps its value until the next point. */
static void draw_steps(FILE *out, const struct plot *plot, const struct panel *panel, unsigned kind)
{
    const struct plot_series *series = &plot->series[kind];
    double ceiling = panel->value_max * 1.5; /* what is higher is out of the picture anyway */

    if (series->count == 0) {
        return;
    }
    begin_path(out, panel, kind);
    for (uint32_t i = 0; i < series->count; i++) {
        const struct plot_point *point = &series->points[i];
        double y = y_of(panel, fmin((double)point->low, ceiling));

        (void)fprintf(out, i == 0 ? "M%.1f %.1f" : "H%.1fV%.1f", x_of(panel, (double)point->now_ns),
                      y);
    }
    (void)fprintf(out, "H%.1f'/>\n", x_of(panel, panel->time_max));
}

static double highest_of(const struct plot *plot, unsigned first, unsigned last)
{
    uint64_t highest = 1;

    for (unsigned kind = first; kind <= last; kind++) {
        const struct plot_series *series = &plot->series[kind];

        for (uint32_t i = 0; i < series->count; i++) {
            uint64_t value = kind <= PLOT_RESENT ? series->points[i].high : series->points[i].low;

            highest = value > highest ? value : highest;
        }
    }
    return (double)highest;
}

static double time_of(const struct plot *plot)
{
    uint64_t last = 1;

    for (unsigned kind = PLOT_SENT; kind <= PLOT_ACKED; kind++) {
        const struct plot_series *series = &plot->series[kind];
        uint64_t now_ns = series->count > 0 ? series->points[series->count - 1].now_ns : 0;

        last = now_ns > last ? now_ns : last;
    }
    return (double)last * 1.02;
}

static void draw(FILE *out, const struct plot *plot, const char *title)
{
    struct panel top = {.y = TOP_Y, .height = TOP_HEIGHT, .id = "top"};
    struct panel low = {.y = LOW_Y, .height = LOW_HEIGHT, .id = "low"};

    top.time_max = low.time_max = time_of(plot);
    top.value_max = highest_of(plot, PLOT_SENT, PLOT_ACKED) * 1.08;
    low.value_max =
        fmax(highest_of(plot, PLOT_CWND, PLOT_CWND), highest_of(plot, PLOT_FLIGHT, PLOT_FLIGHT)) *
        1.15;
    (void)fprintf(out,
                  "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %.0f %.0f' "
                  "font-family='sans-serif' font-size='13' fill='#222'>\n"
                  "<rect width='100%%' height='100%%' fill='#fff'/>\n"
                  "<text x='%.1f' y='28' font-size='16' font-weight='bold'>%s</text>\n",
                  WIDTH, HEIGHT, LEFT, title);
    draw_times(out, &top, false);
    draw_values(out, &top, "place in the stream");
    draw_frame(out, &top);
    draw_legend(out, plot, &top, PLOT_SENT, PLOT_LIMIT);
    draw_steps(out, plot, &top, PLOT_LIMIT);
    draw_bars(out, plot, &top, PLOT_SENT);
    draw_steps(out, plot, &top, PLOT_ACKED);
    draw_bars(out, plot, &top, PLOT_RESENT);
    draw_times(out, &low, true);
    draw_values(out, &low, "window");
    draw_frame(out, &low);
    draw_legend(out, plot, &low, PLOT_CWND, PLOT_FLIGHT);
    draw_steps(out, plot, &low, PLOT_FLIGHT);
    draw_steps(out, plot, &low, PLOT_SSTHRESH);
    draw_steps(out, plot, &low, PLOT_CWND);
    (void)fprintf(out, "</svg>\n");
}

int plot_write(const struct plot *plot, const char *file, const char *title)
{
    FILE *out = fopen(file, "we");
    int result = 0;

    if (out == NULL) {
        return -errno;
    }
    errno = 0;
    draw(out, plot, title);
    if (ferror(out) != 0) {
        result = errno != 0 ? -errno : -EIO;
    }
    if (fclose(out) != 0 && result == 0) {
        result = -errno;
    }
    return result;
}
