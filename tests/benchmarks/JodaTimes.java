import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.joda.time.DateTimeZone;
import org.joda.time.format.DateTimeFormat;
import org.joda.time.format.DateTimeFormatter;
import org.joda.time.format.ISODateTimeFormat;

/**
 * Takes the time of Joda-Time's parser over one file of texts, in one thread.
 *
 * Arguments: a file with one text a line, a zone, a pattern (empty: the ISO forms). Prints the versions of Java and of
 * Joda-Time once the texts are read; then for each line on standard input one pass over all texts: nanoseconds, the
 * thread's CPU nanoseconds, and a checksum of the epoch seconds.
 */
public class JodaTimes {
    public static void main(String[] arguments) throws Exception {
        Locale.setDefault(Locale.US);
        List<String> lines = Files.readAllLines(Path.of(arguments[0]), StandardCharsets.UTF_8);
        String[] texts = lines.toArray(new String[0]);
        DateTimeFormatter formatter =
            (arguments[2].isEmpty() ? ISODateTimeFormat.dateTimeParser() : DateTimeFormat.forPattern(arguments[2]))
                .withZone(DateTimeZone.forID(arguments[1]));
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        System.out.println(
            System.getProperty("java.version") + "\t" + DateTimeFormat.class.getPackage().getImplementationVersion());
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        while (in.readLine() != null) {
            long cpu = threads.getCurrentThreadCpuTime();
            long started = System.nanoTime();
            long checksum = 0;
            for (String text : texts) {
                checksum = checksum * 31 + Math.floorDiv(formatter.parseMillis(text), 1000L);
            }
            long wall = System.nanoTime() - started;
            System.out.println(wall + "\t" + (threads.getCurrentThreadCpuTime() - cpu) + "\t" + checksum);
        }
    }
}
