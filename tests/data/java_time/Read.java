import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.text.ParseException;
import java.text.SimpleDateFormat;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoField;
import java.time.temporal.TemporalAccessor;
import java.time.temporal.TemporalQueries;
import java.util.Locale;
import java.util.TimeZone;

/**
 * Reads times as java.time and as SimpleDateFormat do: one tab-separated pattern, text and zone a line on standard
 * input; both instants, tab-separated, on standard output, "error" for what is not read.
 *
 * Two-digit years of SimpleDateFormat begin in 1937, as they did in 2017.
 */
public class Read {
    public static void main(String[] arguments) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] columns = line.split("\t", -1);
            System.out.println(newer(columns[0], columns[1], columns[2]) + "\t" + older(columns[0], columns[1], columns[2]));
        }
    }

    private static String newer(String pattern, String text, String zone) {
        try {
            TemporalAccessor read = DateTimeFormatter.ofPattern(pattern, Locale.US).parse(text);
            if (read.isSupported(ChronoField.INSTANT_SECONDS)) {
                return Instant.from(read).toString();
            }
            LocalDate date = read.query(TemporalQueries.localDate());
            LocalTime time = read.query(TemporalQueries.localTime());
            if (date == null && time == null) {
                return "error";
            }
            LocalDateTime local = LocalDateTime.of(
                date == null ? LocalDate.EPOCH : date, time == null ? LocalTime.MIDNIGHT : time);
            return local.atZone(ZoneId.of(zone)).toInstant().toString();
        } catch (RuntimeException e) {
            return "error";
        }
    }

    private static String older(String pattern, String text, String zone) {
        SimpleDateFormat format = new SimpleDateFormat(pattern, Locale.US);
        format.setTimeZone(TimeZone.getTimeZone(zone));
        format.set2DigitYearStart(java.util.Date.from(ZonedDateTime.of(1937, 1, 1, 0, 0, 0, 0, ZoneOffset.UTC).toInstant()));
        try {
            return format.parse(text).toInstant().toString();
        } catch (ParseException e) {
            return "error";
        }
    }
}
